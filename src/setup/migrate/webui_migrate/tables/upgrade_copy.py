"""``upgrade-copy``: a copy of the source as it is at one moment, migrated to the installed version's schema."""

import os
import resource
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from ..answers import Answers, Refused
from ..messages import UpgradeCopyRequest, UpgradeCopyResult
from ..meter import Meter, largest_memory
from . import open_webui
from .sqlite import BUSY_PAUSE, BUSY_TIMEOUT, connect, one_state, reading

#: Pages that are copied before the server may write again: 4 MiB with pages of 4 KiB.
_PAGES = 1024
#: How many times a write of the server may make the copy begin again, before it is made in one go.
_PATIENCE = 3
_BESIDE = ("", "-wal", "-journal")


def run(request: UpgradeCopyRequest, answers: Answers) -> UpgradeCopyResult:
    source, copy = request["source"], request["copy"]
    begun = time.monotonic()
    _make_room(source, copy)
    try:
        with closing(connect(source)) as connection:
            with reading(source), one_state(connection):
                revision, _, version = open_webui.version_of(connection)
            open_webui.refuse_unless_known(source, version, revision)
            with reading(source):
                _back_up(connection, copy, answers)
    except Refused as refused:
        if refused.code != "source-unfinished":
            raise
        _copy_files(source, copy)
    copied = time.monotonic()
    with closing(connect(copy)) as connection:
        revision, installed, version = open_webui.version_of(connection)
    open_webui.refuse_unless_known(source, version, revision)
    if version == "older":
        answers.progress({"step": "migrations", "done": 0, "total": 1, "unit": "steps"})
        open_webui.migrate(f"sqlite:///{Path(copy).absolute()}", request["env"])
    return {
        "bytes": os.path.getsize(copy),
        "source_revision": revision,
        "revision": installed,
        "upgraded": version == "older",
        "copy_seconds": copied - begun,
        "upgrade_seconds": time.monotonic() - copied,
        "upgrade_memory": largest_memory(resource.RUSAGE_CHILDREN) if version == "older" else 0,
    }


def _make_room(source: str, copy: str) -> None:
    """Takes out what an earlier run has left, and refuses where the copy and a migration of it have no place."""
    for ending in (*_BESIDE, "-shm"):
        Path(copy + ending).unlink(missing_ok=True)
    if not os.path.isfile(source):
        return
    # Migrations write a changed table anew before the old one goes.
    needed = 2 * sum(os.path.getsize(source + end) for end in _BESIDE if os.path.exists(source + end))
    free = shutil.disk_usage(Path(copy).absolute().parent).free
    if free < needed:
        raise Refused(
            "no-space",
            f"the copy needs {needed // 1024**2} MiB in {Path(copy).parent}, where {free // 1024**2} MiB are free",
            "Free space there, or name another folder.",
        )


def _back_up(source: sqlite3.Connection, copy: str, answers: Answers) -> None:
    """By SQLite's own backup: what is in the write-ahead log is part of it, and a server may go on writing."""
    with one_state(source):
        (page_size,) = source.execute("PRAGMA page_size").fetchone()
    # Each step of the backup that meets a write is tried again after the pause below.
    source.execute("PRAGMA busy_timeout = 0")
    meter = Meter(answers, "backup", 0, "bytes")
    restarts = 0
    last_left = -1

    class _Restarted(Exception):
        pass

    def on_pages(_status: int, left: int, total: int) -> None:
        nonlocal restarts, last_left
        meter.say((total - left) * page_size, total * page_size)
        if last_left != -1 and left > last_left:
            restarts += 1
            if restarts >= _PATIENCE:
                raise _Restarted
        last_left = left

    with sqlite3.connect(copy, timeout=BUSY_TIMEOUT) as into:
        os.chmod(copy, 0o600)
        try:
            source.backup(into, pages=_PAGES, progress=on_pages, sleep=BUSY_PAUSE)
        except _Restarted:
            # Writers wait for as long as it takes: a second for each gigabyte or two.
            source.backup(into, sleep=BUSY_PAUSE)
        # What is copied of a file in WAL mode says so, and would be opened with a log again.
        into.execute("PRAGMA journal_mode = DELETE")
        into.execute("PRAGMA synchronous = OFF")
    into.close()


def _copy_files(source: str, copy: str) -> None:
    """Where SQLite may not finish a write beside the source: it does beside the copy."""
    for _ in range(_PATIENCE):
        before = _stamps(source)
        for ending in _BESIDE:
            Path(copy + ending).unlink(missing_ok=True)
            if os.path.exists(source + ending):
                shutil.copyfile(source + ending, copy + ending)
        if _stamps(source) == before:
            break
    else:
        raise Refused("source-busy", f"{source} is being written", "Stop the server, then run the command again.")
    with reading(source), sqlite3.connect(copy, timeout=BUSY_TIMEOUT) as into:
        into.execute("PRAGMA journal_mode = DELETE")
    into.close()
    os.chmod(copy, 0o600)


def _stamps(source: str) -> list[tuple[int, int]]:
    found = [os.stat(source + ending) for ending in _BESIDE if os.path.exists(source + ending)]
    return [(stat.st_size, stat.st_mtime_ns) for stat in found]
