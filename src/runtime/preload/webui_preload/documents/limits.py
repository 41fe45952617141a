"""What a helper may take of the machine: it comes after the workers, and ends alone where it takes too much."""

import contextlib
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

from ..kernel import end_with_parent

#: Lower than a worker's 0, and far from the lowest: beside one that fills a core, a document still gets a quarter of
#: that core (sched(7): each step is a factor of 1.25). With 10 it got less than a tenth, and nothing for minutes on a
#: machine with more to do than it can. The kernel derives the priority of its disk accesses from it (ioprio_set(2)).
NICE = 5

#: The kernel's killer takes it before any worker (proc_pid_oom_score_adj(5): 0 is usual, 1000 is the first).
OOM_SCORE = "900"

#: Seconds that a document may take in all, waiting for a slow embedding server included: those for which Open WebUI's
#: page watches a file (routers/files.py, MAX_FILE_PROCESSING_DURATION, 0.12.4).
LONGEST = 2 * 3600

_MIB = 1024 * 1024
_INFINITE = resource.RLIM_INFINITY


def end_with(parent: int) -> bool:
    """End this process when its parent ends; False: it has ended already."""
    end_with_parent(signal.SIGKILL)
    return os.getppid() == parent


def come_last() -> None:
    """Lower this process's priority, and let it be the first to go where memory is short."""
    os.nice(NICE)
    # A session of its own may be a group of its own to the scheduler, in which the first line would mean nothing
    # (sched(7), "The autogroup feature"). A container may not have the second.
    for name, value in (("autogroup", str(NICE)), ("oom_score_adj", OOM_SCORE)):
        with contextlib.suppress(OSError):
            Path("/proc/self", name).write_text(value)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_memory(mib: int) -> None:
    """Let this process take ``mib`` MiB more than it has; what goes beyond is a MemoryError."""
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + mib * _MIB, _INFINITE))


def lift_memory_limit() -> None:
    """For what is left to do after a MemoryError: the document itself is given up."""
    resource.setrlimit(resource.RLIMIT_DATA, (_INFINITE, _INFINITE))


@contextlib.contextmanager
def limited_cpu(seconds: int) -> Iterator[None]:
    """While active, this process gets SIGXCPU, and ends of it, after so many seconds of CPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, _INFINITE))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (_INFINITE, _INFINITE))


def _data_bytes() -> int:
    """What RLIMIT_DATA is compared with (proc_pid_status(5), VmData)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmData")
