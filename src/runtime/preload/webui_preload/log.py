"""What the runtime itself says, one line an event, beside Open WebUI's own log."""

import os
import sys

_role = "preload"


def set_role(role: str) -> None:
    """Name the process in every further line, for instance ``worker 4711``."""
    global _role
    _role = role


def say(message: str) -> None:
    """An event of normal running, on stdout (PM2's out log)."""
    _write(1, message)


def complain(message: str) -> None:
    """What a person has to look at, on stderr (PM2's error log)."""
    _write(2, message)


def _write(descriptor: int, message: str) -> None:
    # Straight to the descriptor: a buffer that is full at fork time would be printed by every child. The
    # log's reader may be gone (its supervisor died, the disk is full), and that must not take us along.
    try:
        (sys.stdout if descriptor == 1 else sys.stderr).flush()
        os.write(descriptor, f"[{_role}] {message}\n".encode())
    except (OSError, ValueError):
        pass
