"""Waiting for what another thread or process does."""

import time


def wait_for(condition, seconds=60):
    """Returns as soon as the condition holds; fails if it does not within so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)
