"""Threads that run after the import: a fork copies only the one that calls it."""

import os
import sys

#: jemalloc stops and restarts its own around a fork (jemalloc's background_thread.c, prefork handlers).
FORK_AWARE = frozenset({"jemalloc_bg_thd"})


def unsafe_threads() -> list[str]:
    """Threads that a child would miss, in words; empty where it is safe to fork.

    Python's own threads always are. Native ones count when their library gave them a name: those of the
    numeric libraries (OpenBLAS, OpenMP) have none, and fork handlers of their own.
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
