"""The runtime's own lines in the log, one for each event, beside Open WebUI's."""

import os
import sys

_role = "preload"


def set_role(role: str) -> None:
    """Name the process in all later lines, for instance ``worker 4711``."""
    global _role
    _role = role


def say(message: str) -> None:
    """An event of normal running, on stdout (PM2's out log)."""
    _write(1, message)


def complain(message: str) -> None:
    """Something that a person has to look at, on stderr (PM2's error log)."""
    _write(2, message)


def _write(descriptor: int, message: str) -> None:
    # Straight to the descriptor: each child would print what is in a buffer at the fork. Nobody may read the log any
    # more (its supervisor died, the disk is full); that must not end this process.
    try:
        (sys.stdout if descriptor == 1 else sys.stderr).flush()
        os.write(descriptor, f"[{_role}] {message}\n".encode())
    except (OSError, ValueError):
        pass
