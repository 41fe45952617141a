"""Chroma, which is only read.

The files of a local folder are read themselves (``local``). Where they are not as they are known, and of a server,
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
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..answers import Refused
from .chunk import Chunk
from .index import Unknown
from .local import PAGE, Local, Neighbours, pages_of
from .snapshot import DATABASE, copy_folder, copy_index, refuse_old
from .states import State, Version, read_ids, read_indexes, read_states

#: Chroma keeps each index that was read in memory: after so many chunks it is opened anew.
KEPT_CHUNKS = 20_000
#: Bytes of an index that Chroma itself is asked for neighbours: it loads all of it.
ASKED_OF_CHROMA = 32 * 2**20

#: Of Chroma, where nobody has said another.
DEFAULT_SPACE = "l2"

#: Of glibc's mallopt.
M_ARENA_MAX = -8


class Unreadable(Exception):
    """Chroma cannot read a collection."""


class Collection(NamedTuple):
    name: str
    key: str
    vectors: int
    #: By what distance it is searched.
    space: str
    #: None: a server's, which does not say it.
    version: str | None

    @property
    def is_cosine(self) -> bool:
        return self.space == "cosine"


class Source:
    """``folder``: a copy of Chroma's; None: the settings name a server. ``only``: the collections that are read."""

    def __init__(self, settings: Mapping[str, str], folder: Path | None, only: set[str] | None = None) -> None:
        self._settings = settings
        self._folder = folder
        self._only = only
        self._client: Any = None
        #: The chunks of each local collection that it has read.
        self._kept: dict[str, int] = {}
        #: The collection that was read last, and its files: None where only Chroma can read them.
        self._opened: tuple[str, Local | None] | None = None

    def collections(self) -> list[Collection]:
        """By their names."""
        if self._folder is None:
            return sorted(self._of_server())
        # Before Chroma writes into it.
        states = sorted(read_states(self._settings, str(self._folder)).values())
        return [_described(state) for state in states if self._only is None or state.name in self._only]

    def _of_server(self) -> Iterator[Collection]:
        offset = 0
        while page := self._chroma().list_collections(limit=PAGE, offset=offset):
            offset += len(page)
            for found in page:
                space = (found.metadata or {}).get("hnsw:space") or DEFAULT_SPACE
                yield Collection(found.name, str(found.id), found.count(), space, None)

    def dimensions(self, collection: Collection) -> int | None:
        embeddings = self._handle(collection).get(limit=1, include=["embeddings"])["embeddings"]
        return len(embeddings[0]) if len(embeddings) else None

    def changes(self, collection: Collection) -> dict[str, int]:
        """Of a local folder: the ids of all chunks, each with the number of its last change."""
        assert self._folder is not None
        return dict(read_ids(self._folder / DATABASE, collection.key))

    def pages(self, collection: Collection, only: Iterable[str] | None = None) -> Iterator[list[Chunk]]:
        """``only``: ids of the chunks that are read."""
        local = self._local(collection)
        try:
            if local is not None:
                yield from local.pages(only)
                return
            handle = self._handle(collection)
            for ids in self._ids(handle, collection) if only is None else pages_of(only):
                yield self._chunks(handle, ids)
        except (Refused, Unreadable):
            raise
        except Exception as error:  # Chroma's errors have no class in common
            raise Unreadable(f"Chroma cannot read it: {error}") from error

    def _local(self, collection: Collection) -> Local | None:
        if self._folder is None:
            return None
        if self._opened is None or self._opened[0] != collection.key:
            self._close_local()
            try:
                self._opened = collection.key, Local(self._folder, collection.key, collection.space)
            except Unknown:
                self._opened = collection.key, None
        return self._opened[1]

    def _close_local(self) -> None:
        if self._opened is not None and self._opened[1] is not None:
            self._opened[1].close()
        self._opened = None

    def _ids(self, handle: Any, collection: Collection) -> Iterator[list[str]]:
        if self._folder is not None:
            yield from pages_of(chunk_id for chunk_id, _ in read_ids(self._folder / DATABASE, collection.key))
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
        if self._folder is not None and collection.key not in self._kept:
            if sum(self._kept.values()) > KEPT_CHUNKS:
                self._close_chroma()
            self._kept[collection.key] = collection.vectors
        return self._chroma().get_collection(collection.name, embedding_function=None)

    def nearest(self, collection: Collection, vector: Any, count: int) -> Neighbours:
        """By Chroma's own search, where its index is not too large for that, and whole."""
        local = self._local(collection)
        try:
            if local is None or local.index_bytes <= ASKED_OF_CHROMA:
                handle = self._handle(collection)
                found = handle.query(query_embeddings=[vector], n_results=count, include=["distances"])
                return Neighbours(found["ids"][0], found["distances"][0])
        except Exception:  # Chroma's errors have no class in common
            if local is None:
                raise
        return local.nearest(vector, count)

    def close(self) -> None:
        self._close_local()
        self._close_chroma()

    def _close_chroma(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None
        self._kept.clear()

    def _chroma(self) -> Any:
        if self._client is None:
            self._client = self._open()
        return self._client

    def _open(self) -> Any:
        # Here, as it takes a second and 40 MiB: a pass over a local folder does without.
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


def _described(state: State) -> Collection:
    key = Version.parse(state.version).key
    return Collection(state.name, key, state.vectors, state.space or DEFAULT_SPACE, state.version)


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
