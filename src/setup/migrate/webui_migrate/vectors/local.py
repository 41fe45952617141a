"""A collection of a local folder without Chroma's library, which loads the whole index of a collection into memory.

The database has the texts, the metadata, and a log of the newest embeddings; the files of the index have the others
(``index``). They are read so only where all of it is as Chroma writes it today, and each chunk has an embedding.
Chroma's library reads what is otherwise.
"""

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .chunk import Chunk, Vector
from .index import FLOAT, Index, Unknown
from .snapshot import DATABASE, open_read_only
from .states import number_of, read_ids

#: Chunks that are read at once.
PAGE = 500

#: Of the log; 2 is an addition or an update.
ADD, UPDATE, DELETE = 0, 1, 3

#: Chroma keeps the settings of a collection in one of these columns, as JSON.
SETTINGS = ("config_json_str", "schema_str")
SPACE = re.compile(r'"space"\s*:\s*"(\w+)"')
SEGMENTS = "SELECT scope, id FROM segments WHERE collection = ?"
HAS_LISTS = """SELECT EXISTS (SELECT 1 FROM embedding_metadata_array a JOIN embeddings e ON e.id = a.id
    WHERE e.segment_id = ?)"""
LAST_LOGGED = "SELECT max(seq_id) FROM embeddings_queue WHERE topic LIKE '%/' || ?"
LOG = """SELECT operation, id, vector, encoding FROM embeddings_queue
    WHERE seq_id > ? AND topic LIKE '%/' || ? ORDER BY seq_id"""
VALUES = """SELECT e.embedding_id, m.key, m.string_value, m.int_value, m.float_value, m.bool_value
    FROM embeddings e JOIN embedding_metadata m ON m.id = e.id WHERE e.segment_id = ? AND e.embedding_id IN ({})"""
#: Keys that are Chroma's own.
OWN = "chroma:"
DOCUMENT = "chroma:document"


class Neighbours(NamedTuple):
    ids: list[str]
    distances: list[float]


def pages_of(ids: Iterable[str]) -> Iterator[list[str]]:
    left = iter(ids)
    while page := list(islice(left, PAGE)):
        yield page


class Local:
    """``folder``: a copy of Chroma's. ``key``, ``space``: of the collection. Raises Unknown."""

    def __init__(self, folder: Path, key: str, space: str) -> None:
        self._folder = folder
        self._key = key
        self._space = space
        self._ends = ExitStack()
        try:
            self._connection = self._ends.enter_context(open_read_only(folder / DATABASE))
            segments = dict(self._connection.execute(SEGMENTS, [key]).fetchall())
            self._segment = segments["METADATA"]
            self._refuse_unknown_database()
            applied = self._applied(segments["VECTOR"])
            # Chroma makes the first index after a thousand changes.
            self._index = self._open_index(folder / segments["VECTOR"]) if applied > 0 else None
            #: Each embedding: its number in the index, or itself, of the log.
            self._places: dict[str, int | bytes] = {**self._index.numbers} if self._index else {}
            self._replay(applied)
            if any(chunk_id not in self._places for chunk_id, _ in read_ids(folder / DATABASE, key)):
                raise Unknown("a chunk without an embedding")
        except Exception as error:  # whatever is in these files
            self.close()
            raise Unknown(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        self._ends.close()

    def pages(self, only: Iterable[str] | None = None) -> Iterator[list[Chunk]]:
        """``only``: ids of the chunks that are read."""
        for ids in pages_of(self._ids() if only is None else only):
            yield self._chunks(ids)

    def nearest(self, vector: Vector, count: int) -> Neighbours:
        """By cosine; all are compared."""
        best: list[tuple[float, str]] = []
        wanted = vector.astype(np.float64)
        for ids in pages_of(self._ids()):
            found = np.stack([self._vector(chunk_id) for chunk_id in ids]).astype(np.float64)
            with np.errstate(invalid="ignore"):
                distances = 1 - found @ wanted / (np.linalg.norm(found, axis=1) * np.linalg.norm(wanted))
            near = ((float(distances[at]), ids[at]) for at in np.flatnonzero(np.isfinite(distances)))
            best = heapq.nsmallest(count, chain(best, near))
        return Neighbours([chunk_id for _, chunk_id in best], [distance for distance, _ in best])

    def _ids(self) -> Iterator[str]:
        return (chunk_id for chunk_id, _ in read_ids(self._folder / DATABASE, self._key))

    def _chunks(self, ids: Sequence[str]) -> list[Chunk]:
        texts: dict[str, Any] = {}
        metadata: dict[str, dict[str, Any]] = {}
        sql = VALUES.format(", ".join("?" * len(ids)))
        for chunk_id, key, *values, truth in self._connection.execute(sql, (self._segment, *ids)):
            value = next((value for value in values if value is not None), None if truth is None else bool(truth))
            if key == DOCUMENT:
                texts[chunk_id] = value
            elif value is not None and not key.startswith(OWN):
                metadata.setdefault(chunk_id, {})[key] = value
        return [Chunk(one, texts.get(one), metadata.get(one), self._vector(one)) for one in ids]

    def _vector(self, chunk_id: str) -> Vector:
        place = self._places[chunk_id]
        if isinstance(place, bytes):
            return np.frombuffer(place, FLOAT)
        assert self._index is not None
        return self._index.read(place)

    @property
    def index_bytes(self) -> int:
        return self._index.bytes if self._index else 0

    def _refuse_unknown_database(self) -> None:
        """What Chroma applies of its log when it opens the folder, and metadata that are lists."""
        (last,) = self._connection.execute(LAST_LOGGED, [self._key]).fetchone()
        if number_of(last) > self._applied(self._segment):
            raise Unknown("a log that was not applied")
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_schema")}
        has_lists = "embedding_metadata_array" in tables and self._connection.execute(HAS_LISTS, [self._segment])
        if has_lists and has_lists.fetchone() != (0,):
            raise Unknown("metadata that are lists")

    def _applied(self, segment: str) -> int:
        row = self._connection.execute("SELECT seq_id FROM max_seq_id WHERE segment_id = ?", [segment]).fetchone()
        return number_of(row and row[0])

    def _open_index(self, folder: Path) -> Index:
        if not self._is_cosine():
            raise Unknown("embeddings without their lengths")
        index = Index(folder)
        self._ends.callback(index.close)
        return index

    def _is_cosine(self) -> bool:
        """By every setting there is: some are older than others."""
        row = self._connection.execute("SELECT * FROM collections WHERE id = ?", [self._key])
        columns = dict(zip((column[0] for column in row.description), row.fetchone(), strict=True))
        found = {self._space, *SPACE.findall(" ".join(columns.get(name) or "" for name in SETTINGS))}
        return found == {"cosine"}

    def _replay(self, applied: int) -> None:
        """As Chroma does with what the index does not have yet."""
        for operation, chunk_id, vector, encoding in self._connection.execute(LOG, [applied, self._key]):
            is_there = chunk_id in self._places
            if operation == DELETE:
                self._places.pop(chunk_id, None)
            elif (operation == ADD and is_there) or (operation == UPDATE and not (is_there and vector)):
                continue
            elif vector and encoding == "FLOAT32":
                self._places[chunk_id] = vector
            else:
                raise Unknown("an embedding in another form")
