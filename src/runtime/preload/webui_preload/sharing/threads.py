"""Looks for threads after the import: a fork copies only the thread that calls it."""

import os
import sys

#: jemalloc stops its threads before a fork, and restarts them after it (background_thread.c, prefork handlers).
FORK_AWARE = frozenset({"jemalloc_bg_thd"})


def unsafe_threads() -> list[str]:
    """Threads that a child would lack, in words; empty where it is safe to fork.

    All of Python's threads count. Native threads count if they have a name: those of numeric libraries (OpenBLAS,
    OpenMP) have none, and these libraries handle forks themselves.
    """
    unsafe = []
    python_threads = len(sys._current_frames()) - 1
    if python_threads:
        unsafe.append(f"{python_threads} Python thread{'s' if python_threads > 1 else ''}")
    unsafe += [f"the native thread {name}" for name in sorted(_named_native_threads() - FORK_AWARE)]
    return unsafe


def _named_native_threads() -> set[str]:
    folder = "/proc/self/task"
    if not os.path.isdir(folder):
        return set()
    own = _name(folder, os.getpid())
    return {name for task in os.listdir(folder) if (name := _name(folder, int(task))) and name != own}


def _name(folder: str, task: int) -> str:
    try:
        with open(f"{folder}/{task}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""  # it ended while we looked
