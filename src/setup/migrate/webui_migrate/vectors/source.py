"""Chroma, which is only read.

Chroma's own library reads the chunks: that of Open WebUI, with its settings. It writes when it opens a folder (it
migrates it, and replays its log), so it gets a copy. Open WebUI's own client is not used: it opens the folder itself,
reads no embeddings, and all of a collection at once.
"""

import ctypes
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..answers import Refused
from .chunk import Chunk
from .snapshot import DATABASE, copy_folder, copy_index, refuse_old
from .states import State, read_ids, read_indexes, read_states

#: Chunks that are read at once: Chroma's library makes 6 MB of 500 embeddings of 384 numbers.
PAGE = 500
#: Chroma keeps each index that was read in memory: after so many chunks it is opened anew.
KEPT_CHUNKS = 20_000

#: Of glibc's mallopt.
M_ARENA_MAX = -8


class Unreadable(Exception):
    """Chroma cannot read a collection."""


class Collection(NamedTuple):
    name: str
    key: str
    vectors: int
    metadata: Mapping[str, Any]
    #: None: a server's, which does not say it.
    version: str | None

    @property
    def is_cosine(self) -> bool:
        return self.metadata.get("hnsw:space") == "cosine"


class Neighbours(NamedTuple):
    ids: list[str]
    distances: list[float]


class Source:
    """``folder``: a copy of Chroma's; None: the settings name a server. ``only``: the collections that are read."""

    def __init__(self, settings: Mapping[str, str], folder: Path | None, only: set[str] | None = None) -> None:
        self._settings = settings
        self._folder = folder
        self._only = only
        # Before Chroma writes into it.
        self._states = read_states(settings, str(folder)) if folder else {}
        self._read = 0
        self._client = self._open()

    def collections(self) -> list[Collection]:
        """By their names."""
        found: list[Any] = []
        while page := self._client.list_collections(limit=PAGE, offset=len(found)):
            found.extend(page)
        return [
            self._describe(collection)
            for collection in sorted(found, key=lambda collection: collection.name)
            if self._only is None or collection.name in self._only
        ]

    def dimensions(self, collection: Collection) -> int | None:
        embeddings = self._handle(collection).get(limit=1, include=["embeddings"])["embeddings"]
        return len(embeddings[0]) if len(embeddings) else None

    def changes(self, collection: Collection) -> dict[str, int]:
        """Of a local folder: the ids of all chunks, each with the number of its last change."""
        assert self._folder is not None
        return dict(read_ids(self._folder / DATABASE, collection.key))

    def pages(self, collection: Collection, only: Iterable[str] | None = None) -> Iterator[list[Chunk]]:
        """``only``: ids of the chunks that are read."""
        if self._read > KEPT_CHUNKS and self._folder is not None:
            self._client.close()
            self._client = self._open()
            self._read = 0
        self._read += collection.vectors
        try:
            handle = self._handle(collection)
            for ids in self._ids(handle, collection) if only is None else _pages_of(only):
                yield self._chunks(handle, ids)
        except (Refused, Unreadable):
            raise
        except Exception as error:  # Chroma's errors have no class in common
            raise Unreadable(f"Chroma cannot read it: {error}") from error

    def _ids(self, handle: Any, collection: Collection) -> Iterator[list[str]]:
        if self._folder is not None:
            yield from _pages_of(chunk_id for chunk_id, _ in read_ids(self._folder / DATABASE, collection.key))
            return
        for offset in range(0, collection.vectors, PAGE):
            yield handle.get(limit=PAGE, offset=offset, include=[])["ids"]

    def _chunks(self, handle: Any, ids: list[str]) -> list[Chunk]:
        page = handle.get(ids=ids, include=["embeddings", "documents", "metadatas"])
        found = page["ids"]
        if not len(found) == len(page["embeddings"]) == len(ids):
            raise Unreadable(f"of {len(ids)} chunks Chroma finds {len(page['embeddings'])}")
        rows = zip(found, page["documents"], page["metadatas"], page["embeddings"], strict=True)
        return [
            Chunk(chunk_id, text, metadata, np.asarray(vector, dtype=np.float32))
            for chunk_id, text, metadata, vector in rows
        ]

    def _handle(self, collection: Collection) -> Any:
        return self._client.get_collection(collection.name, embedding_function=None)

    def nearest(self, collection: Collection, vector: Any, count: int) -> Neighbours:
        found = self._handle(collection).query(query_embeddings=[vector], n_results=count, include=["distances"])
        return Neighbours(found["ids"][0], found["distances"][0])

    def close(self) -> None:
        self._client.close()

    def _describe(self, handle: Any) -> Collection:
        state = self._states.get(handle.name)
        vectors, version = (state.vectors, state.version) if state else (handle.count(), None)
        return Collection(handle.name, str(handle.id), vectors, handle.metadata or {}, version)

    def _open(self) -> Any:
        # Here, as it takes a second: a look at a local folder does without.
        # One heap for all of its threads: each has its own otherwise, and together they take 30 MiB more.
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
        chromadb: Any = import_module("chromadb")
        settings = chromadb.Settings(anonymized_telemetry=False, **_access(self._settings))
        place = {
            "tenant": self._settings.get("CHROMA_TENANT", chromadb.DEFAULT_TENANT),
            "database": self._settings.get("CHROMA_DATABASE", chromadb.DEFAULT_DATABASE),
        }
        try:
            if self._folder is not None:
                return chromadb.PersistentClient(path=str(self._folder), settings=settings, **place)
            headers = self._settings.get("CHROMA_HTTP_HEADERS", "")
            return chromadb.HttpClient(
                host=self._settings["CHROMA_HTTP_HOST"],
                port=int(self._settings.get("CHROMA_HTTP_PORT", "8000")),
                ssl=self._settings.get("CHROMA_HTTP_SSL", "false").lower() == "true",
                headers=dict(pair.split("=", 1) for pair in headers.split(",")) if headers else None,
                settings=settings,
                **place,
            )
        except Exception as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> Refused:
        if self._folder is None:
            return Refused(
                "chroma-unreachable",
                f"Chroma at {server_of(self._settings)} does not answer as expected: {error}",
                "Start the Chroma server, or correct CHROMA_HTTP_HOST and CHROMA_HTTP_PORT.",
            )
        return Refused(
            "vectors-old",
            f"Chroma cannot open a copy of its folder: {error}",
            "Start the old Open WebUI once, and see whether it still finds its documents.",
        )


def _pages_of(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while page := list(islice(left, PAGE)):
        yield page


def server_of(settings: Mapping[str, str]) -> str | None:
    """Address of the Chroma server; None: there is a local folder."""
    host = settings.get("CHROMA_HTTP_HOST", "")
    return f"{host}:{settings.get('CHROMA_HTTP_PORT', '8000')}" if host else None


def _access(settings: Mapping[str, str]) -> dict[str, str]:
    names = ("CHROMA_CLIENT_AUTH_PROVIDER", "CHROMA_CLIENT_AUTH_CREDENTIALS")
    return {name.lower(): settings[name] for name in names if settings.get(name)}


def has_folder(folder: str) -> bool:
    """Whether anything was ever stored there."""
    refuse_old(Path(folder))
    return Path(folder, DATABASE).exists()


class Opened(NamedTuple):
    #: Collections that are as they were, by what was known of them: they are not read.
    unchanged: dict[str, State]
    #: None: all are unchanged, or nothing was ever stored.
    source: Source | None


@contextmanager
def open_source(
    env: Mapping[str, str], folder: str, work: str, known: Mapping[str, str] | None = None
) -> Iterator[Opened]:
    """``known``: versions of collections that need not be read. A local folder is copied into ``work``."""
    # Chroma's library reads the rest of the environment as its own settings.
    for name in [name for name in os.environ if name.upper().startswith("CHROMA_")]:
        del os.environ[name]
    if server_of(env) is not None:
        yield from _opened({}, Source(env, None))
    elif not has_folder(folder):
        yield Opened({}, None)
    else:
        # The file itself says whether there is anything to do: then it is not copied.
        states = _states_if_readable(env, folder)
        if states is not None and not _changed(states, known or {}):
            yield Opened(states, None)
            return
        with copy_folder(folder, work) as copy:
            states = read_states(env, str(copy))
            changed = _changed(states, known or {})
            for index in read_indexes(copy / DATABASE, changed):
                if Path(folder, index).is_dir():
                    copy_index(Path(folder, index), copy / index)
            unchanged = {name: state for name, state in states.items() if name not in changed}
            yield from _opened(unchanged, Source(env, copy, changed))


def _opened(unchanged: dict[str, State], source: Source) -> Iterator[Opened]:
    try:
        yield Opened(unchanged, source)
    finally:
        source.close()


def _states_if_readable(env: Mapping[str, str], folder: str) -> dict[str, State] | None:
    try:
        return read_states(env, folder)
    except sqlite3.OperationalError:
        return None  # a server was killed while it wrote; the copy is repaired


def _changed(states: Mapping[str, State], known: Mapping[str, str]) -> set[str]:
    return {name for name, state in states.items() if known.get(name) != state.version}
