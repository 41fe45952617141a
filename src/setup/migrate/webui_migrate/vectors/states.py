"""What Chroma's database says of its collections: read without Chroma, which takes seconds and would write."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from .snapshot import DATABASE, open_read_only

CHANGES = "SELECT segment_id, seq_id FROM max_seq_id"
COLLECTIONS = """
    SELECT c.name, c.id, c.dimension, m.str_value, s.id, s.scope FROM collections c
    JOIN databases d ON d.id = c.database_id JOIN segments s ON s.collection = c.id
    LEFT JOIN collection_metadata m ON m.collection_id = c.id AND m.key = 'hnsw:space'
    WHERE d.name = ? AND d.tenant_id = ?
"""


class Version(NamedTuple):
    """A collection with the same one has the same chunks."""

    key: str
    #: Number of the collection's last change; of all of Chroma's, and so it only grows.
    change: int

    @classmethod
    def parse(cls, text: str) -> "Version":
        key, change = text.rsplit(" ", 1)
        return cls(key, int(change))

    def __str__(self) -> str:
        return f"{self.key} {self.change}"


class State(NamedTuple):
    name: str
    version: str
    vectors: int
    dimensions: int | None
    #: By what distance it is searched; None: nobody has said it.
    space: str | None


def read_states(env: Mapping[str, str], folder: str) -> dict[str, State]:
    place = env.get("CHROMA_DATABASE") or "default_database", env.get("CHROMA_TENANT") or "default_tenant"
    with open_read_only(Path(folder, DATABASE)) as connection:
        counts = dict(connection.execute("SELECT segment_id, count(*) FROM embeddings GROUP BY 1").fetchall())
        changes = {key: number_of(last) for key, last in connection.execute(CHANGES)}
        logged: dict[str, int] = {}
        for topic, last in connection.execute("SELECT topic, max(seq_id) FROM embeddings_queue GROUP BY 1"):
            logged[topic.rsplit("/", 1)[-1]] = number_of(last)
        states: dict[str, State] = {}
        # A collection has two segments: that of its metadata counts its chunks.
        for name, key, dimensions, space, segment, scope in connection.execute(COLLECTIONS, place):
            if scope == "METADATA":
                version = str(Version(key, max(changes.get(segment, 0), logged.get(key, 0))))
                states[name] = State(name, version, counts.get(segment, 0), dimensions, space)
    return states


def read_ids(database: Path, collection_id: str) -> Iterator[tuple[str, int]]:
    """The ids of a collection's chunks, and the number of the last change of each."""
    sql = """SELECT embedding_id, seq_id FROM embeddings WHERE segment_id =
        (SELECT id FROM segments WHERE collection = ? AND scope = 'METADATA') ORDER BY id"""
    with open_read_only(database) as connection:
        for chunk_id, change in connection.execute(sql, [collection_id]):
            yield chunk_id, number_of(change)


def read_indexes(database: Path, collections: set[str] | None) -> list[str]:
    """Folders of the collections' indexes, None: of all. Other folders are left of collections that are gone."""
    sql = "SELECT s.id, c.name FROM segments s JOIN collections c ON c.id = s.collection WHERE s.scope = 'VECTOR'"
    with open_read_only(database) as connection:
        return [key for key, name in connection.execute(sql) if collections is None or name in collections]


def number_of(value: int | bytes | None) -> int:
    """Chroma before 0.6 keeps it as eight bytes."""
    return int.from_bytes(value, "big") if isinstance(value, bytes) else value or 0
