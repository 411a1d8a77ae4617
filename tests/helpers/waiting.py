"""Waiting for what another thread or process does."""

import time

HANGS = 600  # seconds: a busy machine is slow, not that slow


def wait_for(condition, alive=lambda: True):
    """Returns as soon as the condition holds; fails if who is to bring it about is not alive any more, or hangs."""
    end = time.monotonic() + HANGS
    while not condition():
        assert alive(), "what was waited for has ended"
        assert time.monotonic() < end, f"nothing came of it in {HANGS} s"
        time.sleep(0.02)
