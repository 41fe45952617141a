"""The folder of one start of the preload process, and the lock that says whether its workers still live.

    <run folder>/generation-<id>/version      Open WebUI's version
                                 lock         held (flock) by the preload process and each of its workers
                                 static/      STATIC_DIR, which Open WebUI empties and refills at every import

The kernel drops a lock when its last holder ends, however it ends, so that nothing here becomes stale.
"""

import fcntl
import os
import shutil
import time
from pathlib import Path

from .contract import Apps, RunFolder
from .kernel import take_lock
from .log import say

#: Seconds that a preload process which is about to end has for it: an import hears of a stop between two steps.
LEAVING_SECONDS = 30.0

#: Seconds between two looks at its lock: the kernel has no way to wait for a while.
_LOOK_INTERVAL = 0.1


class AlreadyRunning(Exception):
    """Another preload process of this installation runs."""


class Generation:
    """This start: its ``name`` and ``folder``; made by `begin`."""

    def __init__(self, run_folder: Path, name: str, version: str) -> None:
        self.name = name
        self.version = version
        self.folder = run_folder / f"{RunFolder.GENERATION}{name}"
        self.folder.mkdir(mode=0o700)
        (self.folder / RunFolder.GENERATION_VERSION).write_text(version)
        self._lock = os.open(self.folder / RunFolder.GENERATION_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def static_folder(self, worker: int | None = None) -> Path:
        """STATIC_DIR of this generation; of one worker, where each worker imports the app for itself."""
        return self.folder / ("static" if worker is None else f"static-{worker}")

    def leave(self) -> None:
        """Let go of the folder at the end of a process; the last process to leave removes it."""
        os.close(self._lock)
        _remove_if_dead(self.folder)


def lock_installation(run_folder: Path, patience: float = LEAVING_SECONDS) -> int:
    """Take the lock that only one preload process can hold; its descriptor. Raises AlreadyRunning with the pid.

    Waits ``patience`` seconds for a process that is about to leave. Children must close the descriptor. Otherwise
    they would hold the lock after the end of their parent.
    """
    descriptor = os.open(run_folder / RunFolder.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    end = time.monotonic() + patience
    told = False
    while not take_lock(descriptor):
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        if time.monotonic() >= end:
            os.close(descriptor)
            raise AlreadyRunning(
                f"a preload process (pid {holder}) already runs with {run_folder}; stop it first "
                f"(pm2 stop {Apps.PRELOAD}, or kill {holder})"
            )
        if not told:
            say(f"waiting: the preload process with pid {holder} has not left yet")
            told = True
        time.sleep(_LOOK_INTERVAL)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def live_generations(run_folder: Path) -> list[Path]:
    """Folders of the generations that have a living worker. Folders of other generations are removed."""
    return [folder for folder in sorted(run_folder.glob(f"{RunFolder.GENERATION}*")) if not _remove_if_dead(folder)]


def wait_for_other_versions(run_folder: Path, version: str) -> None:
    """Wait until no worker of another version than ``version`` lives.

    Two versions must never serve one database (Open WebUI's documentation, "Updates and Migrations"), and to import
    the new version is to migrate the database.
    """
    for folder in live_generations(run_folder):
        other = _version_of(folder)
        if other == version:
            continue
        say(
            f"waiting: workers of Open WebUI {other} still serve, and {version} must not migrate their "
            f"database under them. Stop them first: pm2 restart {Apps.CLUSTER}"
        )
        with open(folder / RunFolder.GENERATION_LOCK, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_if_dead(folder)


def _version_of(folder: Path) -> str:
    try:
        return (folder / RunFolder.GENERATION_VERSION).read_text()
    except OSError:
        return "unknown"


def _remove_if_dead(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / RunFolder.GENERATION_LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        shutil.rmtree(folder, ignore_errors=True)  # its maker died before it made the lock
        return True
    try:
        if not take_lock(descriptor):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return True
    finally:
        os.close(descriptor)
