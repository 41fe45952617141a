"""A copy of Chroma's folder, also of one that a server writes.

The folder has a SQLite database (chunks, metadata, a log of embeddings), and for each collection an index of
embeddings that is rewritten after every thousand. The database is copied first: what an index has too much is not
asked for, and what it does not have yet is in the log. Where an index lacks what was removed since, Chroma says so.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from ..answers import Refused

DATABASE = "chroma.sqlite3"
#: How often an index is copied that changes meanwhile.
ATTEMPTS = 5


@contextmanager
def copy_folder(folder: str, work: str) -> Iterator[Path]:
    """A copy of the database alone, which is removed at the end."""
    target = Path(work, "chroma")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=0o700, parents=True)
    try:
        copy_database(Path(folder, DATABASE), target / DATABASE)
        yield target
    finally:
        shutil.rmtree(target, ignore_errors=True)


def refuse_old(folder: Path) -> None:
    """Before 0.4 Chroma had other files. Open WebUI 0.9 and newer cannot have written them."""
    if any(folder.glob("*.parquet")) and not (folder / DATABASE).exists():
        raise Refused(
            "vectors-old",
            f"{folder} was written by Chroma before 0.4, which today's Chroma cannot read",
            "Reindex the documents in Open WebUI's settings after the migration.",
        )


def copy_database(source: Path, target: Path) -> None:
    try:
        with open_read_only(source) as database, sqlite3.connect(target) as copy:
            database.backup(copy, pages=10_000)
        copy.close()
    except sqlite3.OperationalError:
        # A server was killed while it wrote. Only who may write can complete or undo that: in the copy.
        for suffix in ("", "-journal", "-wal"):
            if os.path.exists(f"{source}{suffix}"):
                shutil.copy(f"{source}{suffix}", f"{target}{suffix}")
        with closing(sqlite3.connect(target)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def open_read_only(database: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"file:{quote(str(database.absolute()))}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


def copy_index(source: Path, target: Path) -> None:
    for _ in range(ATTEMPTS):
        before = _state(source)
        shutil.rmtree(target, ignore_errors=True)
        try:
            shutil.copytree(source, target)
        except (FileNotFoundError, shutil.Error):
            continue  # it is being replaced
        if _state(source) == before:
            return
    # The collection is left to a later pass: without its index Chroma cannot read it.
    shutil.rmtree(target, ignore_errors=True)


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """Of all its files: the name, the size, the time of the last change."""
    if not folder.is_dir():
        return []
    found = []
    for entry in os.scandir(folder):
        try:
            stat = entry.stat()
        except FileNotFoundError:
            continue
        found.append((entry.name, stat.st_size, stat.st_mtime_ns))
    return sorted(found)


def size(folder: str) -> int:
    """Bytes of all files below a folder."""
    paths = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return sum(path.stat().st_size for path in paths if path.exists())
