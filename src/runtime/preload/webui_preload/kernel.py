"""What a process asks of its kernel: to end with its parent, to have a name, to hold a lock alone."""

import ctypes
import fcntl
import sys

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15  # linux/prctl.h


def end_with_parent(number: int) -> None:
    """Have the kernel send this signal when the parent ends. It forgets that where the process changes its user."""
    _prctl(_PR_SET_PDEATHSIG, number)


def name_process(name: str) -> None:
    """Set the name that `ps -o comm` and `top` show, of at most 15 bytes; the command line stays as it is."""
    _prctl(_PR_SET_NAME, name.encode())


def take_lock(descriptor: int) -> bool:
    """Take the lock of an open file (flock(2)); False where another process holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prctl(option: int, value: int | bytes) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
