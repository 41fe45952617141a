"""The folder of one start of the preload process, and the lock that says whether its workers still live.

    <run folder>/generation-<id>/version      Open WebUI's version
                                 lock         held (flock) by the preload process and each of its workers
                                 static/      STATIC_DIR, which Open WebUI empties and refills at every import

The kernel drops a lock with its last holder, however that one ended; so nothing here goes stale.
"""

import fcntl
import os
import shutil
from pathlib import Path

from .log import say

_PREFIX = "generation-"


class AlreadyRunning(Exception):
    """Another preload process of this installation lives."""


class Generation:
    """This start: its ``name`` and ``folder``; made by `begin`."""

    def __init__(self, run_folder: Path, name: str, version: str) -> None:
        self.name = name
        self.version = version
        self.folder = run_folder / f"{_PREFIX}{name}"
        self.folder.mkdir(mode=0o700)
        (self.folder / "version").write_text(version)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def static_folder(self, worker: int | None = None) -> Path:
        """STATIC_DIR of this generation, or of one worker where each imports the app for itself."""
        return self.folder / ("static" if worker is None else f"static-{worker}")

    def leave(self) -> None:
        """Let go of the folder; the last one to leave removes it. For the end of a process."""
        os.close(self._lock)
        _remove_if_dead(self.folder)


def lock_installation(run_folder: Path) -> int:
    """The descriptor of the lock that one preload process holds; raises AlreadyRunning with its pid.

    Children must close the descriptor, or they would hold the lock beyond the end of their parent.
    """
    descriptor = os.open(run_folder / "preload.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise AlreadyRunning(
            f"a preload process (pid {holder}) already runs with {run_folder}; stop it first "
            f"(pm2 stop open-webui-preload, or kill {holder})"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def live_generations(run_folder: Path) -> list[Path]:
    """Folders of generations that have a living worker; those that have none are removed."""
    return [folder for folder in sorted(run_folder.glob(f"{_PREFIX}*")) if not _remove_if_dead(folder)]


def wait_for_other_versions(run_folder: Path, version: str) -> None:
    """Return once no worker of another version than ``version`` lives.

    Open WebUI's documentation ("Updates and Migrations"): two versions must never serve one database. To
    import the new one is to migrate it.
    """
    for folder in live_generations(run_folder):
        other = _version_of(folder)
        if other == version:
            continue
        say(
            f"waiting: workers of Open WebUI {other} still serve, and {version} must not migrate their "
            "database under them. Stop them first: pm2 restart open-webui"
        )
        with open(folder / "lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_if_dead(folder)


def _version_of(folder: Path) -> str:
    try:
        return (folder / "version").read_text()
    except OSError:
        return "unknown"


def _remove_if_dead(folder: Path) -> bool:
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        shutil.rmtree(folder, ignore_errors=True)  # its maker died before it made the lock
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        shutil.rmtree(folder, ignore_errors=True)
        return True
    finally:
        os.close(descriptor)
