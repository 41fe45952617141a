"""Fills Chroma as Open WebUI does: ``chroma_folder.py first|second FOLDER|http://HOST:PORT [LARGE]``.

``first`` makes collections of every kind, the largest with so many chunks; ``second`` changes some of them.
"""

import sys
from typing import Any

import chromadb
import chromadb.config
import numpy as np

TOO_LONG = "file-too-long"
CLIFF = "00000000-0000-4000-8000-00000000c11f"
#: What Open WebUI and other programs wrote: numbers, a character that PostgreSQL cannot hold.
METADATA = {"name": "a.txt", "file_id": "x", "page": 3, "score": 0.1, "large": 1e300, "whole": 2.0, "seen": True}


def open_client(place: str) -> Any:
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    if place.startswith("http://"):
        host, port = place.removeprefix("http://").split(":")
        return chromadb.HttpClient(host=host, port=int(port), settings=settings)
    return chromadb.PersistentClient(path=place, settings=settings)


def vectors(count: int, dimensions: int, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32)


class Filler:
    def __init__(self, client: Any) -> None:
        self._client = client

    def add(self, name: str, count: int, dimensions: int = 384, first: int = 0, space: str = "cosine") -> None:
        collection = self._client.get_or_create_collection(
            name, metadata={"hnsw:space": space}, embedding_function=None
        )
        embeddings = vectors(count, dimensions, seed=sum(name.encode()) + first)
        for start in range(0, count, 1_000):
            numbers = range(first + start, first + min(start + 1_000, count))
            collection.upsert(
                ids=[f"{name}-{number}" for number in numbers],
                embeddings=embeddings[start : start + 1_000],
                documents=[f"Chunk {number} of {name}: ünïcödé 🌊" for number in numbers],
                metadatas=[{**METADATA, "number": number} for number in numbers],
            )

    def put(self, name: str, chunk_id: str, text: str, vector: Any, metadata: dict[str, Any]) -> None:
        collection = self._client.get_or_create_collection(
            name, metadata={"hnsw:space": "cosine"}, embedding_function=None
        )
        collection.upsert(ids=[chunk_id], embeddings=[vector], documents=[text], metadatas=[metadata])

    def first(self, large: int) -> None:
        self.add("file-large", large)
        self.add("file-small", 5)
        self.add("file-same", 7)
        self.add("file-gone", 3)
        self.add("file-short", 4, dimensions=16)
        self.add(TOO_LONG, 3, dimensions=2_048)
        self.add(CLIFF, 1_200)
        self.add("file-by-l2", 4, space="l2")
        self._client.get_or_create_collection("file-empty", metadata={"hnsw:space": "cosine"})
        one = vectors(1, 384, 1)[0]
        self.put("file-nul", "nul", "before\x00after", one, {"na\x00me": "va\x00lue", "file_id": "nul"})
        # The same id in two collections: Chroma has them apart, pgvector's table does not.
        self.put("file-twin-a", "twin", "Twin a", one, {"file_id": "a"})
        self.put("file-twin-b", "twin", "Twin b", -one, {"file_id": "b"})

    def second(self) -> None:
        self.add("file-small", 2, first=100)
        self._client.get_collection("file-small").delete(ids=["file-small-0"])
        self.add("file-large", 2, first=2_999)
        self._client.get_collection("file-large").delete(ids=["file-large-0"])
        self.put("file-nul", "plain", "Nothing unusual", vectors(1, 384, 8)[0], {"file_id": "nul"})
        self.put("file-small", "file-small-1", "Changed", vectors(1, 384, 9)[0], {"file_id": "changed"})
        self._client.delete_collection("file-gone")
        self.add("file-new", 3)


if __name__ == "__main__":
    [_, what, place, *rest] = sys.argv
    filler = Filler(open_client(place))
    if what == "first":
        filler.first(int(rest[0]) if rest else 3_000)
    else:
        filler.second()
