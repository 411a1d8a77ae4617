"""Processes of Python that a test starts, talks to line by line, and kills at its end."""

import contextlib
import subprocess
import sys
from pathlib import Path

import zoo

ROOT = Path(zoo.__file__).parents[1]


@contextlib.contextmanager
def started():
    """Gives `start(code, *arguments)` → a process that runs the code and has printed its first line, which is "ready"."""
    processes = []

    def start(code, *arguments):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "-c", code, *map(str, arguments)]
        processes.append(process := subprocess.Popen(command, **pipes, text=True, cwd=ROOT))
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        return process

    try:
        yield start
    finally:
        for process in processes:
            kill(process)


def go(*processes):
    """Lets processes that read a line go on, all before any is waited for."""
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def kill(process):
    """Ends a process without a chance to clean up."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(BrokenPipeError):
            pipe.close()
