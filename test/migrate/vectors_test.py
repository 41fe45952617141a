"""What is decided about chunks, collections and copies of Chroma's folder, without a server."""

import math
import shutil
import sqlite3
import tempfile
import unittest
import unittest.mock
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from webui_migrate.vectors.chunk import Chunk, is_same, mend, same_values
from webui_migrate.vectors.reindex import reindex
from webui_migrate.vectors.snapshot import copy_database, copy_index, open_read_only
from webui_migrate.vectors.target import url_of

FLOAT32 = np.dtype(np.float32)
FLOAT16 = np.dtype(np.float16)
COPYTREE = shutil.copytree


def chunk(text: str | None = "text", metadata: dict[str, Any] | None = None, vector: Any = (1.0, 2.0)) -> Chunk:
    return Chunk("id", text, metadata, np.asarray(vector, dtype=np.float32))


class MendTest(unittest.TestCase):
    def test_changes_nothing_that_can_be_stored(self) -> None:
        original = chunk("ünïcödé 🌊\t\n", {"a": 1, "b": 0.5, "c": True, "d": ""})
        mended, findings = mend(original, "c")
        self.assertEqual(findings, [])
        assert mended is not None
        self.assertTrue(is_same(original, mended, FLOAT32))

    def test_removes_what_postgresql_cannot_hold_and_keeps_the_original(self) -> None:
        mended, findings = mend(chunk("a\x00b\ud800", {"k\x00": "v\udfff", "n": math.inf, "ok": 1}), "c")
        assert mended is not None
        self.assertEqual((mended.text, mended.metadata), ("ab", {"k": "v", "ok": 1}))
        self.assertEqual(
            [(finding["column"], finding["problem"]) for finding in findings],
            [("text", "nul"), ("vmetadata", "nul"), ("vmetadata", "number")],
        )
        self.assertEqual(findings[0]["original"], "a\\x00b\\ud800")

    def test_puts_a_chunk_aside_whose_embedding_is_no_number(self) -> None:
        mended, [finding] = mend(chunk(vector=[1.0, math.nan]), "c")
        self.assertIsNone(mended)
        self.assertEqual((finding["action"], finding["key"]), ("aside", "id"))
        self.assertEqual(finding["original"], {"text": "text", "metadata": {}, "vector": [1.0, "nan"]})


class SameTest(unittest.TestCase):
    def test_takes_a_longer_vector_for_the_same_only_if_zeros_fill_it(self) -> None:
        self.assertTrue(is_same(chunk(), chunk(vector=[1, 2, 0, 0]), FLOAT32))
        self.assertFalse(is_same(chunk(), chunk(vector=[1, 2, 0, 1]), FLOAT32))
        self.assertFalse(is_same(chunk(), chunk(vector=[1]), FLOAT32))

    def test_compares_every_number_in_the_precision_of_the_column(self) -> None:
        near = np.float32(1) + np.float32(1e-6)
        self.assertFalse(is_same(chunk(), chunk(vector=[near, 2]), FLOAT32))
        self.assertTrue(is_same(chunk(), chunk(vector=[near, 2]), FLOAT16))

    def test_tells_values_apart_that_python_does_not(self) -> None:
        self.assertFalse(same_values({"a": True}, {"a": 1}))
        self.assertTrue(same_values({"a": 1e300}, {"a": 10**300}))
        self.assertTrue(same_values(None, None))
        self.assertFalse(same_values({}, None))
        self.assertFalse(same_values({"a": 1}, {"a": 1, "b": 2}))


class ReindexTest(unittest.TestCase):
    def test_asks_for_each_kind_once_and_names_what_is_lost(self) -> None:
        knowledge = "9f7c1c5e-6f0a-4b8e-9d57-0f6a3d1f9a11"
        other = "9f7c1c5e-6f0a-4b8e-9d57-0f6a3d1f9a12"
        names = ["user-memory-1", "user-memory-2", knowledge, other, "file-7", "web-search-1-abc", "knowledge-bases"]
        requests, lost = reindex(names)
        self.assertEqual(
            [(request["path"], request["body"]) for request in requests],
            [
                ("/api/v1/knowledge/reindex", {}),
                ("/api/v1/retrieval/process/file", {"file_id": "7"}),
                ("/api/v1/knowledge/metadata/reindex", {}),
                ("/api/v1/memories/reindex", {}),
            ],
        )
        self.assertEqual(lost, ["web-search-1-abc"])


class CopyTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_takes_the_log_of_a_running_writer_along(self) -> None:
        source, copy = self.folder / "a.sqlite3", self.folder / "b.sqlite3"
        writer = self.open(source)
        writer.execute("PRAGMA journal_mode = WAL")
        writer.executescript("CREATE TABLE t (n); INSERT INTO t VALUES (1)")
        copy_database(source, copy)
        self.assertEqual(self.open(copy).execute("SELECT n FROM t").fetchall(), [(1,)])

    def test_undoes_what_a_killed_writer_had_begun(self) -> None:
        source, killed, copy = self.folder / "a.sqlite3", self.folder / "k.sqlite3", self.folder / "b.sqlite3"
        writer = self.open(source)
        writer.executescript("CREATE TABLE t (n); PRAGMA cache_size = 1")
        writer.executemany("INSERT INTO t VALUES (?)", [("a" * 1_000,) for _ in range(200)])
        writer.commit()
        writer.execute("UPDATE t SET n = ?", ["b" * 1_000])
        # Its files as they are in the middle of the transaction.
        for suffix in ("", "-journal"):
            shutil.copy(f"{source}{suffix}", f"{killed}{suffix}")
        self.assertIn(b"b" * 1_000, killed.read_bytes())
        before = killed.read_bytes()
        copy_database(killed, copy)
        # As it is read afterwards: by who may not complete or undo anything.
        with open_read_only(copy) as found:
            self.assertEqual(found.execute("SELECT DISTINCT n FROM t").fetchall(), [("a" * 1_000,)])
        self.assertEqual(killed.read_bytes(), before)

    def test_copies_an_index_again_that_changes_and_leaves_out_one_that_never_stands_still(self) -> None:
        index, copy = self.folder / "index", self.folder / "copy"
        index.mkdir()
        for changes, is_copied in ((1, True), (1_000, False)):
            left = iter(range(changes))

            def copytree(source: Path, target: Path, left: Iterator[int] = left) -> None:
                COPYTREE(source, target)
                if (size := next(left, None)) is not None:
                    (index / "data").write_bytes(bytes(size))

            with unittest.mock.patch("shutil.copytree", copytree):
                copy_index(index, copy)
            self.assertEqual(copy.exists(), is_copied)

    def open(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path)
        self.addCleanup(connection.close)
        return connection


class UrlTest(unittest.TestCase):
    def test_takes_the_vectors_own_database_first(self) -> None:
        self.assertEqual(url_of({}, "postgresql+psycopg2://a@b/c"), "postgresql://a@b/c")
        self.assertEqual(url_of({"PGVECTOR_DB_URL": "postgres://v@b/c"}, "postgresql://a@b/c"), "postgres://v@b/c")


if __name__ == "__main__":
    unittest.main()
