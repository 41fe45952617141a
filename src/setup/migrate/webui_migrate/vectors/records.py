"""Which collections are the same on both sides, kept in the target: they are not read again until they change."""

from typing import Any, NamedTuple

import psycopg

TABLE = "webui_tune_migration_vectors"


class Record(NamedTuple):
    collection: str
    #: ``states.State.version`` of what was compared.
    version: str
    vectors: int
    mended: int
    aside: int
    sampled: int
    same_neighbours: int
    #: The change after which its chunks have still to be compared; None: all of them were.
    since: int | None
    #: Transaction of the target in which they were.
    checked: str


class Records:
    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute(
            f"""CREATE TABLE IF NOT EXISTS {TABLE} (collection text PRIMARY KEY, version text NOT NULL,
            vectors bigint NOT NULL, mended bigint NOT NULL, aside bigint NOT NULL,
            sampled bigint NOT NULL, same_neighbours bigint NOT NULL, since bigint, checked xid8 NOT NULL)"""
        )
        connection.commit()

    def read(self, counts: dict[str, int]) -> dict[str, Record]:
        """Without those of which the target has another number of chunks by now."""
        columns = ", ".join(field if field != "checked" else "checked::text" for field in Record._fields)
        rows = self._connection.execute(f"SELECT {columns} FROM {TABLE}").fetchall()
        records = [Record(*row) for row in rows]
        return {
            record.collection: record
            for record in records
            if counts.get(record.collection, 0) == record.vectors - record.aside
        }

    def keep(self, record: Record) -> None:
        self.forget(record.collection)
        self._connection.execute(f"INSERT INTO {TABLE} VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)", record)
        self._connection.commit()

    def forget(self, collection: str) -> None:
        """In the transaction of the first change of its chunks."""
        self._connection.execute(f"DELETE FROM {TABLE} WHERE collection = %s", [collection])
