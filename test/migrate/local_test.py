"""Chroma's files, read without its library: the same as it reads, or nothing."""

import pickle
import shutil
import sqlite3
import struct
import tempfile
import unittest
import unittest.mock
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from chroma_folder import CLIFF, Filler, open_client
from webui_migrate.vectors.chunk import Chunk
from webui_migrate.vectors.index import Unknown
from webui_migrate.vectors.local import Local
from webui_migrate.vectors.source import Collection, Source

LARGE = "file-large"
#: Chunks of the largest collection: Chroma writes its index after every thousand.
CHUNKS = 2_400


def fill(place: str) -> None:
    filler = Filler(client := open_client(place))
    filler.first(CHUNKS)
    filler.second()
    large, cliff = client.get_collection(LARGE), client.get_collection(CLIFF)
    one = np.ones(384, dtype=np.float32)
    # Before the next thousand, so that the index has them, and after it, so that only the log has them.
    for first in (100, 1_500):
        large.delete(ids=[f"{LARGE}-{number}" for number in range(first, first + 20)])
        large.update(ids=[f"{LARGE}-{first + 30}"], embeddings=[one * first])
        other = {"documents": ["other"], "metadatas": [{"seen": False}]}
        large.update(ids=[f"{LARGE}-{first + 31}"], embeddings=[one], **other)
        large.update(ids=[f"{LARGE}-{first + 32}", "nobody"], metadatas=[{"more": 1}, {"more": 2}])
        large.add(ids=[f"{LARGE}-{first + 33}"], embeddings=[one * 7], documents=["there already"])
        # Deleted, and there again.
        large.upsert(ids=[f"{LARGE}-{first}"], embeddings=[one * 3], documents=["again"])
        filler.add(LARGE, 1_100 if first == 100 else 5, first=10_000 + first)
    cliff.add(ids=["bare", "no-text", "empty"], embeddings=[one] * 3, documents=None, metadatas=None)
    cliff.update(ids=["no-text", "empty"], embeddings=[one] * 2, metadatas=[{"a": 1}, {"b": False}])
    cliff.update(ids=["empty"], embeddings=[one], documents=[""])


def by_id(pages: Iterator[list[Chunk]]) -> dict[str, Chunk]:
    return {chunk.id: chunk for page in pages for chunk in page}


def is_alike(ours: Chunk, theirs: Chunk) -> bool:
    """True is not 1. Chroma gives back what is in its log as its index would: each number to some digits."""
    metadata = [repr(chunk.metadata and sorted(chunk.metadata.items())) for chunk in (ours, theirs)]
    has_same_vector = np.allclose(ours.vector, theirs.vector, rtol=1e-6, atol=0)
    return ours.text == theirs.text and metadata[0] == metadata[1] and has_same_vector


class LocalTest(unittest.TestCase):
    made: Path

    @classmethod
    def setUpClass(cls) -> None:
        cls.made = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        fill(str(cls.made / "filled"))

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()), "vector_db")
        shutil.copytree(self.made / "filled", self.folder)

    def source(self) -> Source:
        source = Source({}, self.folder)
        self.addCleanup(source.close)
        return source

    def collection(self, name: str) -> Collection:
        return next(found for found in self.source().collections() if found.name == name)

    def local(self, name: str = LARGE) -> Local:
        local = Local(self.folder, (of := self.collection(name)).key, of.space)
        self.addCleanup(local.close)
        return local

    def by_chroma(self, collection: Collection, only: list[str] | None = None) -> dict[str, Chunk]:
        with unittest.mock.patch("webui_migrate.vectors.source.Local", side_effect=Unknown):
            return by_id(self.source().pages(collection, only))

    def assert_alike(self, ours: dict[str, Chunk], theirs: dict[str, Chunk]) -> None:
        """Without the differences of all embeddings, which take minutes to write."""
        self.assertEqual(ours.keys(), theirs.keys())
        self.assertEqual([one for one in ours if not is_alike(ours[one], theirs[one])], [])

    def test_reads_what_chroma_reads(self) -> None:
        collections = [found for found in self.source().collections() if found.is_cosine]
        self.assertGreater(len(collections), 9)
        for collection in collections:
            with self.subTest(collection.name):
                ours = by_id(self.local(collection.name).pages())
                self.assertEqual(len(ours), collection.vectors)
                self.assert_alike(ours, self.by_chroma(collection))
        some = [f"{LARGE}-1532", f"{LARGE}-131", f"{LARGE}-100"]
        self.assert_alike(by_id(self.local().pages(some)), self.by_chroma(self.collection(LARGE), some))

    def test_reads_every_bit_of_an_index(self) -> None:
        ours, theirs = by_id(self.local().pages()), self.by_chroma(self.collection(LARGE))
        same = [one for one in ours if ours[one].vector.tobytes() == theirs[one].vector.tobytes()]
        self.assertGreater(len(same), 3_000)
        logged = sqlite3.connect(self.folder / "chroma.sqlite3")
        self.addCleanup(logged.close)
        ids = {chunk_id for (chunk_id,) in logged.execute("SELECT id FROM embeddings_queue")}
        self.assertEqual([one for one in ours if one not in same and one not in ids], [])

    def test_finds_what_is_near(self) -> None:
        collection = self.collection("file-small")
        sample = next(iter(self.local("file-small").pages()))[2].vector
        found, expected = (
            self.local("file-small").nearest(sample, 4),
            self.source().nearest(collection, sample, 4),
        )
        self.assertEqual(found.ids, expected.ids)
        np.testing.assert_allclose(found.distances, expected.distances, atol=1e-5)

    def test_finds_it_without_chroma_where_chroma_cannot_load_its_index(self) -> None:
        collection = self.collection(LARGE)
        sample = next(iter(self.local().pages()))[2]
        self.change("link_lists.bin", lambda data: data[:40])
        with self.assertRaisesRegex(Exception, "hnsw"):
            self.by_chroma(collection)
        self.assertEqual(self.source().nearest(collection, sample.vector, 3).ids[0], sample.id)

    def test_leaves_to_chroma_what_is_not_as_it_is_known(self) -> None:
        cases: dict[str, Callable[[], None]] = {
            "another distance": lambda: self.run_sql('UPDATE collections SET schema_str = \'{"space": "l2"}\''),
            "another version": lambda: self.change("header.bin", lambda data: struct.pack("<i", 2) + data[4:]),
            "other sizes": lambda: self.change("header.bin", lambda data: data[:28] + b"\x00\x08" + data[30:]),
            "no header": lambda: self.change("header.bin", lambda _: b""),
            "a short header": lambda: self.change("header.bin", lambda data: data[:-4]),
            "a short file": lambda: self.change("data_level0.bin", lambda data: data[:-1]),
            "a mark": lambda: self.change("data_level0.bin", lambda data: data[:2] + b"\x01" + data[3:]),
            "a label": lambda: self.change("data_level0.bin", lambda data: data[:1_668] + b"\xff" * 8 + data[1_676:]),
            "another length": lambda: self.change(
                "data_level0.bin", lambda data: data[:132] + b"\0\0\0@" + data[136:]
            ),
            "no lengths": lambda: self.change("length.bin", lambda data: data[:8]),
            "a class": lambda: self.change("index_metadata.pickle", lambda _: pickle.dumps(Path("ids"))),
            "an old number": lambda: self.change("index_metadata.pickle", with_old_number),
            "no ids": lambda: self.change("index_metadata.pickle", lambda _: b""),
            "a log that was not applied": lambda: self.run_sql("UPDATE max_seq_id SET seq_id = 1"),
            "a chunk without an embedding": lambda: self.run_sql(
                "UPDATE embeddings SET embedding_id = 'unknown' WHERE embedding_id = 'file-large-7'"
            ),
            "lists": lambda: self.run_sql(
                "INSERT INTO embedding_metadata_array (id, key) SELECT id, 'k' FROM embeddings"
            ),
            "another encoding": lambda: self.run_sql("UPDATE embeddings_queue SET encoding = 'INT32'"),
        }
        key = self.collection(LARGE).key
        for name, damage in cases.items():
            with self.subTest(name):
                shutil.rmtree(self.folder)
                shutil.copytree(self.made / "filled", self.folder)
                Local(self.folder, key, "cosine").close()
                damage()
                with self.assertRaises(Unknown):
                    Local(self.folder, key, "cosine")

    def change(self, name: str, change: Callable[[bytes], bytes]) -> None:
        """The file of each index that is there."""
        for file in self.folder.glob(f"*/{name}"):
            file.write_bytes(change(file.read_bytes()))

    def run_sql(self, sql: str) -> None:
        connection = sqlite3.connect(self.folder / "chroma.sqlite3")
        with connection:
            connection.execute(sql)
        connection.close()


def with_old_number(data: bytes) -> bytes:
    return pickle.dumps({**pickle.loads(data), "max_seq_id": 5})


if __name__ == "__main__":
    unittest.main()
