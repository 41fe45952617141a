"""``copy``: rows from SQLite into PostgreSQL, in batches that are each one transaction with the state of it."""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from ..answers import Answers
from ..messages import CopiedTable, CopyRequest, CopyResult
from ..meter import Meter, largest_memory
from . import changes, foreign_keys, report, state
from .base import Base, open_base
from .carried import Carried, pair, row_print
from .finish import analyze, finish, forget_finished, read_finished
from .postgres import PREFIX, Connection, connect, lock
from .prepare import require_prepared
from .sqlite import connect as open_source
from .sqlite import count, identity, read_at, read_rows, reading
from .state import TableState
from .writer import Row, Writer
from .written_since import written_tables

#: A batch: enough that a transaction costs little, and few enough bytes for the memory.
_BATCH_ROWS = 5000
_BATCH_BYTES = 8 * 1024 * 1024


def run(request: CopyRequest, answers: Answers) -> CopyResult:
    begun = time.monotonic()
    with (
        closing(open_source(request["source"])) as source,
        open_base(source, request.get("base")) as base,
        # Each transaction is begun by name: one that a read has begun would swallow the next, or end too early.
        connect(request["target"], request.get("schema"), autocommit=True) as target,
        reading(request["source"]),
    ):
        lock(target)
        require_prepared(target, request["source"])
        target.execute("SET synchronous_commit = off")
        source.execute("BEGIN")
        _Copy(_Source(source, identity(request["source"]), base), target, answers).run(is_last=request["pass"] == 2)
        lines = report.write(target, request["report"])
        result = _result(target, lines, time.monotonic() - begun)
    for line in report.read(request["report"]):
        answers.finding(line)
    return result


def _result(target: Connection, lines: int, seconds: float) -> CopyResult:
    tables: list[CopiedTable] = [
        {
            "table": name,
            "rows": rows,
            "inserted": inserted,
            "updated": updated,
            "deleted": deleted,
            "mended": mended,
            "aside": aside,
        }
        for name, rows, inserted, updated, deleted, mended, aside in state.counters(target)
    ]
    return {"tables": tables, "seconds": seconds, "memory": largest_memory(), "findings": lines}


@dataclass
class _Source:
    connection: sqlite3.Connection
    identity: str
    #: What an earlier pass has read.
    base: Base | None


class _Copy:
    def __init__(self, source: _Source, target: Connection, answers: Answers) -> None:
        self._source = source.connection
        self._run = source.identity
        self._base = source.base
        self._target = target
        self._answers = answers

    def run(self, *, is_last: bool) -> None:
        foreign_keys.drop(self._target)
        self._reset_written()
        with self._target.transaction():
            tables = self._tables()
        total = sum(count(self._source, table.source) for table in tables)
        self._meter = Meter(self._answers, "copy", total)
        for table in tables:
            self._meter.table = table.name
            self._table(table)
        if is_last:
            self._meter.table = None
            finish(self._target, {table.name: table for table in tables})

    def _reset_written(self) -> None:
        """Carries anew what was written after an earlier run: by Open WebUI, or where files have new places."""
        finished = read_finished(self._target)
        if finished is None:
            return
        for written in written_tables(self._target, finished):
            if (known := state.table(self._target, written["table"])) is not None:
                self._reset(known)
        # Last: a run that is killed before looks again.
        forget_finished(self._target)

    def _tables(self) -> list[Carried]:
        state.forget_whole_findings(self._target)
        tables, lines = pair(self._source, self._target, make=True)
        state.add_findings(self._target, lines)
        for table in tables:
            if state.table(self._target, table.name) is None:
                made = any(line.name == table.name and line.action == "made" for line in lines)
                state.add_table(self._target, table.name, self._run, made=made)
        return tables

    def _table(self, table: Carried) -> None:
        known = state.table(self._target, table.name)
        assert known is not None
        if known.run == self._run and known.done:
            return
        if known.run == self._run and table.source.has_rowid:
            self._whole(table, known)
        elif table.is_comparable:
            self._changed(table, known)
        elif table.source.has_rowid:
            self._reset(known)
            self._whole(table, known)
        else:
            # Without a rowid, there is no place to resume at: all or nothing is written.
            with self._target.transaction():
                self._reset(known)
                self._whole(table, known)

    def _reset(self, known: TableState) -> None:
        with self._target.transaction():
            state.reset_table(self._target, known)
            known.run = self._run
            state.update_table(self._target, known)

    def _whole(self, table: Carried, known: TableState) -> None:
        """Every row, from where an earlier run was."""
        writer = Writer(self._target, table, known.id)
        rows = read_rows(self._source, table.source, table.read_columns, known.position)
        for batch in _batches(rows):
            with self._target.transaction():
                inserted = len(writer.put([row for _, row in batch]))
                known.position = batch[-1][0]
                state.update_table(self._target, known, inserted=inserted)
            self._meter.add(len(batch))
        known.done = True
        self._end(table, known)
        analyze(self._target, table.name)

    def _changed(self, table: Carried, known: TableState) -> None:
        """Only rows that differ from what the state knows. After a kill, the table is compared again."""
        found = self._since_base(table, known)
        if found is None:
            known.checked = None
            found = changes.find(self._source, self._target, table, known, self._meter.add)
        else:
            self._meter.add(count(self._source, table.source))
        # An index that is unique may have been another row's: all that is stale goes first.
        with self._target.transaction():
            gone = changes.forget(self._target, table, known, found)
            if known.checked is not None:
                state.set_changed(self._target, known.id, found.rowids)
            # After a kill, the target is neither as this source nor as any copy: rows are found by their prints.
            known.run = ""
            state.update_table(self._target, known)
        writer = Writer(self._target, table, known.id)
        inserted = updated = 0
        for batch in _batches(read_at(self._source, table.source, table.read_columns, found.rowids)):
            rows = [row for _, row in batch]
            with self._target.transaction():
                state.forget_findings(self._target, table.name, [row.print for row in rows])
                keys = writer.put(rows)
            again = sum(hash(key) in gone for key in keys)
            updated += again
            inserted += len(keys) - again
        known.run, known.position, known.done = self._run, None, True
        self._end(table, known, inserted=inserted, updated=updated, deleted=len(gone) - updated)

    def _since_base(self, table: Carried, known: TableState) -> changes.Changes | None:
        if self._base is None or not known.done or known.run != self._base.identity:
            return None
        return changes.find_since(self._source, self._base, self._target, table)

    def _end(self, table: Carried, known: TableState, **added: int) -> None:
        rows = count(self._source, table.source)
        with self._target.transaction():
            state.update_table(self._target, known, **added)
            self._target.execute(f"UPDATE {PREFIX}tables SET rows = %s WHERE id = %s", (rows, known.id))


def _batches(rows: Iterable[tuple[int, tuple[Any, ...]]]) -> Iterator[list[tuple[int, Row]]]:
    batch: list[tuple[int, Row]] = []
    size = 0
    for rowid, values in rows:
        print_, bytes_ = row_print(values)
        batch.append((rowid, Row(print_, values)))
        size += bytes_
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_ROWS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
