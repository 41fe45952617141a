"""The source as it is found: being written, with a log that was never checkpointed, broken, of other versions."""

import json
import os
import shutil
import sqlite3
import tempfile
import threading
import time
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ask import ask, ask_well, start
from hostile import make
from many_messages import fill
from templates import copy_source, open_source


class Writer(threading.Thread):
    """A server that never rests: each transaction has two rows, and takes so long."""

    def __init__(self, path: Path, timeout: float, pause: float) -> None:
        super().__init__()
        self.written = 0
        self.failure: Exception | None = None
        self.is_done = threading.Event()
        self._path, self._timeout, self._pause = path, timeout, pause

    def run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=self._timeout)
        try:
            while not self.is_done.is_set():
                connection.execute("BEGIN EXCLUSIVE")
                for half in "ab":
                    key = f"{half}{self.written}"
                    connection.execute("INSERT INTO tag (id, user_id) VALUES (?, ?)", (key, "u"))
                time.sleep(self._pause)
                connection.execute("COMMIT")
                self.written += 1
        except sqlite3.Error as error:
            self.failure = error
        finally:
            connection.close()


@contextmanager
def writing(path: Path, timeout: float, pause: float) -> Iterator[Writer]:
    """``timeout``: seconds after which it gives up."""
    writer = Writer(path, timeout, pause)
    writer.start()
    try:
        yield writer
    finally:
        writer.is_done.set()
        writer.join()


class SourceTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.path = self.folder / "webui.db"
        self.copy = self.folder / "copy.db"

    def source(self) -> sqlite3.Connection:
        copy_source(self.path)
        connection = open_source(self.path)
        self.addCleanup(connection.close)
        return connection

    def upgrade_copy(self) -> dict[str, Any]:
        return ask_well("upgrade-copy", source=str(self.path), copy=str(self.copy), env={}).result

    def copied(self, query: str) -> list[Any]:
        connection = open_source(self.copy)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def assert_refused(self, code: str, command: str = "look", **request: Any) -> None:
        answered = ask(command, source=str(self.path), **request)
        self.assertEqual((answered.code, answered.error.get("code")), (1, code), answered.stderr)
        self.assertTrue(answered.error["mends"])

    def test_refuses_what_is_no_database_of_open_webui(self) -> None:
        self.assert_refused("source-missing")
        self.path.write_bytes(b"no SQLite at all, but longer than sixteen bytes")
        self.assert_refused("source-not-sqlite")
        self.path.unlink()
        connection = open_source(self.path)
        connection.execute("CREATE TABLE of_others (a)")
        connection.close()
        self.assertEqual(ask_well("look", source=str(self.path)).result["version"], "none")
        self.assert_refused("source-version", "upgrade-copy", copy=str(self.copy), env={})

    def test_refuses_a_newer_version(self) -> None:
        self.source().execute("UPDATE alembic_version SET version_num = 'fffffffffff0'")
        self.assertEqual(ask_well("look", source=str(self.path)).result["version"], "newer")
        self.assert_refused("source-newer", "upgrade-copy", copy=str(self.copy), env={})

    def test_migrates_a_copy_of_an_older_version(self) -> None:
        """As far back as a column can be taken out of the file again: one revision of the migrations is run."""
        source = self.source()
        source.execute("INSERT INTO \"user\" (id, name, email, role) VALUES ('u', 'U', 'u@example.org', 'user')")
        source.execute("UPDATE alembic_version SET version_num = 'c92da83b017f'")
        before = self.path.read_bytes()
        looked = ask_well("look", source=str(self.path)).result
        self.assertEqual((looked["version"], looked["revision"]), ("older", "c92da83b017f"))
        done = self.upgrade_copy()
        self.assertEqual((done["upgraded"], done["revision"]), (True, looked["installed_revision"]))
        self.assertEqual(self.copied("SELECT version_num FROM alembic_version"), [(done["revision"],)])
        # That revision's own work: a user without a row of auth gets one.
        self.assertEqual(self.copied("SELECT id FROM auth"), [("u",)])
        self.assertEqual(self.path.read_bytes(), before)
        self.assertGreater(done["upgrade_memory"], 2**20)
        self.assertLess(done["upgrade_memory"], 300 * 2**20)

    def test_copies_what_is_only_in_the_write_ahead_log(self) -> None:
        source = self.source()
        source.execute("PRAGMA journal_mode = WAL")
        source.execute("PRAGMA wal_autocheckpoint = 0")
        fill(source, 100, users=3)
        looked = ask_well("look", source=str(self.path)).result
        self.assertEqual(looked["journal"], "wal")
        self.assertGreater(looked["wal_bytes"], 10_000)
        sizes = {table["name"]: table["rows"] for table in looked["tables"]}
        self.assertEqual(sizes["chat_message"], 100)
        # As a server leaves it that was killed.
        for ending in ("", "-wal"):
            shutil.copyfile(f"{self.path}{ending}", f"{self.folder}/killed.db{ending}")
        self.path = self.folder / "killed.db"
        self.upgrade_copy()
        self.assertEqual(self.copied("SELECT count(*) FROM chat_message"), [(100,)])
        self.assertEqual(self.copied("PRAGMA journal_mode"), [("delete",)])

    def test_finishes_a_write_that_was_cut_short_beside_the_copy(self) -> None:
        source = self.source()
        fill(source, 100, users=3)
        source.execute("PRAGMA cache_size = 1")
        source.execute("BEGIN IMMEDIATE")
        source.execute("UPDATE chat_message SET content = '\"half written\"'")
        # The journal of a write that is not committed, as a killed server leaves it.
        for ending in ("", "-journal"):
            shutil.copyfile(f"{self.path}{ending}", f"{self.folder}/killed.db{ending}")
        source.execute("ROLLBACK")
        self.path = self.folder / "killed.db"
        before = self.path.read_bytes()
        self.assert_refused("source-unfinished")
        self.upgrade_copy()
        self.assertEqual(self.copied("PRAGMA integrity_check"), [("ok",)])
        self.assertEqual(self.copied("SELECT count(*) FROM chat_message WHERE content LIKE '%half%'"), [(0,)])
        self.assertEqual(self.path.read_bytes(), before)

    def test_copies_a_file_that_is_being_written(self) -> None:
        """A transaction writes two rows: the copy has both or neither. The server's disk is slow, and never rests."""
        fill(self.source(), 3000, users=3)
        with writing(self.path, timeout=60, pause=0.02) as writer:
            for _ in range(3):
                self.upgrade_copy()
                counts = dict(self.copied("SELECT substr(id, 1, 1), count(*) FROM tag GROUP BY 1"))
                self.assertEqual(counts.get("a"), counts.get("b"))
                self.assertEqual(self.copied("PRAGMA integrity_check"), [("ok",)])
        self.assertGreater(writer.written, 0)

    def test_lets_a_server_write_while_it_is_read(self) -> None:
        """One without a write-ahead log, which gives up after five seconds, as SQLAlchemy's does."""
        source = self.source()
        fill(source, 60_000, users=3)
        source.execute("UPDATE chat_message SET content = '{broken' WHERE rowid % 20000 = 3")
        source.execute("UPDATE chat_message SET chat_id = 'gone' WHERE rowid % 20000 = 4")
        # How much was written when the values began to be read, and at each later word of it.
        written: list[int] = []
        with writing(self.path, timeout=5, pause=0) as writer:
            process = start("look", {"source": str(self.path)})
            assert process.stdout is not None
            for line in process.stdout:
                answer = json.loads(line)
                if answer["type"] == "progress" and answer["done"] < answer["total"]:
                    written.append(writer.written)
            process.communicate()
        self.assertEqual((answer["type"], writer.failure), ("result", None))
        self.assertGreater(written[-1], written[0])
        self.assertEqual(answer["corrupt"], [])
        self.assertEqual(answer["problems"], {"chat_message.content json": 3, "chat_message.* orphan": 3})

    def test_says_where_a_file_is_corrupt(self) -> None:
        source = self.source()
        fill(source, 2000, users=3)
        (page,) = source.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'chat_message'").fetchone()
        (size,) = source.execute("PRAGMA page_size").fetchone()
        source.close()
        with self.path.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(os.urandom(size))
        looked = ask_well("look", source=str(self.path)).result
        self.assertTrue(looked["corrupt"])

    def test_looks_at_what_would_be_mended(self) -> None:
        make(self.path)
        before = self.path.read_bytes()
        answered = ask_well("look", source=str(self.path))
        problems = answered.result["problems"]
        for name in (
            "chat.title text",
            "chat.title blob",
            "chat_message.content json",
            "chat_message.done boolean",
            "chat_message.* orphan",
            "config_old.created_at date",
            "names.* view",
        ):
            self.assertIn(name, problems)
        self.assertLessEqual(len(answered.findings), sum(problems.values()))
        self.assertEqual(self.path.read_bytes(), before)
        self.assertEqual(sorted(os.listdir(self.folder)), ["webui.db"])
