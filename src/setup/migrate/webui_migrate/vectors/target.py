"""pgvector's table of Open WebUI, document_chunk: reads and writes many chunks at a time.

Open WebUI makes the table (``table``). Its client is not used to write: it inserts one chunk a statement, which takes
minutes for what COPY does in seconds, and one with another collection's id takes that chunk away from it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import psycopg
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb

from ..answers import Refused
from .chunk import Chunk

#: Says on the table that a migration began to fill it.
MARK = "filled by webui-tune migrate"

SHAPE = """
    SELECT t.typname, a.atttypmod,
        (SELECT typname FROM pg_type WHERE oid = (
            SELECT atttypid FROM pg_attribute WHERE attrelid = c.oid AND attname = 'text')) AS text_type
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'vector'
        JOIN pg_type t ON t.oid = a.atttypid
    WHERE c.oid = to_regclass('document_chunk')
"""


class Shape(NamedTuple):
    #: vector or halfvec.
    type: str
    dimensions: int
    #: With pgcrypto: text and metadata are encrypted.
    encrypted: bool

    @property
    def precision(self) -> "np.dtype[Any]":
        return np.dtype(np.float16 if self.type == "halfvec" else np.float32)


class Stored(NamedTuple):
    collection: str
    chunk: Chunk


class Target:
    def __init__(self, connection: psycopg.Connection[Any], shape: Shape, key: str | None) -> None:
        self._connection = connection
        self.shape = shape
        self._key = key
        register_vector(connection)
        self._type = psycopg.types.TypeInfo.fetch(connection, shape.type)
        columns = f"id text, vector {shape.type}({shape.dimensions}), text text, vmetadata jsonb"
        connection.execute(f"CREATE TEMPORARY TABLE staged ({columns}) ON COMMIT DELETE ROWS")
        connection.commit()

    def collections(self) -> dict[str, int]:
        rows = self._connection.execute("SELECT collection_name, count(*) FROM document_chunk GROUP BY 1")
        return dict(rows.fetchall())

    def ids(self, collection: str) -> set[str]:
        sql = "SELECT id FROM document_chunk WHERE collection_name = %s"
        return {chunk_id for (chunk_id,) in self._connection.execute(sql, [collection])}

    def transaction(self) -> str:
        """Number of one that begins and ends here: what is written later has a higher one."""
        row = self._connection.execute("SELECT pg_current_xact_id()::text").fetchone()
        self._connection.commit()
        return str(row and row[0])

    def written_since(self, collection: str, transaction: str) -> set[str]:
        sql = "SELECT id FROM document_chunk WHERE collection_name = %s AND age(xmin) < age(%s::xid8::xid)"
        return {chunk_id for (chunk_id,) in self._connection.execute(sql, [collection, transaction])}

    def read(self, ids: Sequence[str]) -> dict[str, Stored]:
        """What there is of these ids, of any collection."""
        text, metadata = self._readable
        sql = f"SELECT id, collection_name, vector, {text}, {metadata} FROM document_chunk WHERE id = ANY(%(ids)s)"
        with self._connection.cursor(binary=True) as cursor:
            rows = cursor.execute(sql, {"ids": list(ids), "key": self._key}).fetchall()
        return {row[0]: Stored(row[1], Chunk(row[0], row[3], row[4], _numbers(row[2]))) for row in rows}

    def write(self, collection: str, chunks: Iterable[Chunk]) -> None:
        text, metadata = self._written
        with self._connection.cursor() as cursor:
            columns = "staged (id, vector, text, vmetadata)"
            with cursor.copy(f"COPY {columns} FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["text", self._type.oid if self._type else self.shape.type, "text", "jsonb"])
                for chunk in chunks:
                    copy.write_row([chunk.id, self._padded(chunk.vector), chunk.text, _json(chunk.metadata)])
            cursor.execute(
                f"""INSERT INTO document_chunk (id, vector, collection_name, text, vmetadata)
                SELECT id, vector, %(collection)s, {text}, {metadata} FROM staged
                ON CONFLICT (id) DO UPDATE SET vector = excluded.vector, text = excluded.text,
                    collection_name = excluded.collection_name, vmetadata = excluded.vmetadata""",
                {"collection": collection, "key": self._key},
            )
        self._connection.commit()

    def delete(self, ids: Sequence[str]) -> int:
        deleted = self._connection.execute("DELETE FROM document_chunk WHERE id = ANY(%s)", [list(ids)]).rowcount
        self._connection.commit()
        return deleted

    def delete_collection(self, collection: str) -> int:
        sql = "DELETE FROM document_chunk WHERE collection_name = %s"
        deleted = self._connection.execute(sql, [collection]).rowcount
        self._connection.commit()
        return deleted

    def nearest(self, collection: str, vector: Any, count: int) -> list[tuple[str, float]]:
        """All are compared: an approximate index is as good as its settings, and no part of what is checked here."""
        with self._connection.transaction():
            self._connection.execute("SET LOCAL enable_indexscan = off")
            return self._connection.execute(
                f"""SELECT id, vector <=> %s::{self.shape.type} AS distance FROM document_chunk
                WHERE collection_name = %s ORDER BY distance, id LIMIT %s""",
                [self._padded(vector), collection, count],
            ).fetchall()

    def _padded(self, vector: Any) -> Any:
        padded = np.zeros(self.shape.dimensions, dtype=self.shape.precision)
        padded[: len(vector)] = vector
        return HalfVector(padded) if self.shape.type == "halfvec" else padded

    @property
    def _readable(self) -> tuple[str, str]:
        if not self.shape.encrypted:
            return "text", "vmetadata"
        return "pgp_sym_decrypt(text, %(key)s)", "pgp_sym_decrypt(vmetadata, %(key)s)::jsonb"

    @property
    def _written(self) -> tuple[str, str]:
        if not self.shape.encrypted:
            return "text", "vmetadata"
        return "pgp_sym_encrypt(text, %(key)s)", "pgp_sym_encrypt(vmetadata::text, %(key)s)"


def url_of(env: Mapping[str, str], target: str) -> str:
    """As Open WebUI chooses it. SQLAlchemy's names of drivers are none of libpq's."""
    scheme, rest = (env.get("PGVECTOR_DB_URL") or target).split("://", 1)
    return f"{scheme.split('+', 1)[0]}://{rest}"


@contextmanager
def connect(env: Mapping[str, str], target: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url_of(env, target)) as connection:
        yield connection


def read_shape(connection: psycopg.Connection[Any]) -> Shape | None:
    """None: there is no table yet."""
    row = connection.execute(SHAPE).fetchone()
    return None if row is None else Shape(row[0], row[1], row[2] == "bytea")


def open_target(connection: psycopg.Connection[Any], env: Mapping[str, str]) -> Target:
    """Where the table is there."""
    shape = read_shape(connection)
    if shape is None:
        raise Refused("target-no-pgvector", "the target has no table document_chunk", "Run vectors-copy first.")
    return Target(connection, shape, env.get("PGVECTOR_PGCRYPTO_KEY"))


def is_filled(connection: psycopg.Connection[Any]) -> bool:
    return connection.execute("SELECT EXISTS (SELECT FROM document_chunk)").fetchone() == (True,)


def claim(connection: psycopg.Connection[Any]) -> None:
    """Refuses a table that someone else has filled, and marks one that is empty."""
    sql = "SELECT obj_description(to_regclass('document_chunk'), 'pg_class')"
    if connection.execute(sql).fetchone() == (MARK,):
        return
    if is_filled(connection):
        raise Refused(
            "target-not-empty",
            "the target's table document_chunk has embeddings already, and not of a migration",
            "Give --to an empty database.",
        )
    connection.execute(f"COMMENT ON TABLE document_chunk IS '{MARK}'")
    connection.commit()


def _numbers(value: Any) -> Any:
    numbers = value.to_numpy() if hasattr(value, "to_numpy") else value
    return np.asarray(numbers, dtype=np.float32)


def _json(metadata: dict[str, Any] | None) -> Jsonb | None:
    return None if metadata is None else Jsonb(metadata)
