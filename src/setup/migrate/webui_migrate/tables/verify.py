"""``verify``: each row of the source is in the target with the same values, or has a finding; and no other is.

What was equal once, and was not written since on either side, is not read again.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from ..answers import Answers
from ..messages import VerifiedTable, VerifyRequest, VerifyResult
from ..meter import Meter, largest_memory
from . import compare, state
from . import sqlite as source_file
from .carried import Carried, pair
from .compare import Scope, Sums
from .finish import count
from .postgres import Connection, connect, lock
from .prepare import require_prepared

#: Keys of rows that differ which a result names at most.
_NAMED = 20


def run(request: VerifyRequest, answers: Answers) -> VerifyResult:
    begun = time.monotonic()
    path = request["source"]
    # The source is read by a process of its own: each side takes a core. It is forked while nothing is open.
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as reader:
        reader.submit(int).result()
        with connect(request["target"], request.get("schema")) as target, source_file.reading(path):
            lock(target)
            require_prepared(target, path)
            source = source_file.connect(path)
            source.execute("BEGIN")
            tables = _compare(path, source, target, (reader, answers))
            memory = max(largest_memory(), reader.submit(largest_memory).result())
    return {
        "equal": all(table["equal"] for table in tables),
        "tables": sorted(tables, key=lambda table: table["table"]),
        "seconds": time.monotonic() - begun,
        "memory": memory,
    }


@dataclass
class _Compared:
    table: Carried
    known: state.TableState | None
    scope: Scope
    #: Rows of the source, and of the target.
    rows: int
    there: int
    #: Rowids of what has to be compared, because all else was equal and was not written since; None: everything.
    rowids: list[int] | None

    @property
    def has_as_many(self) -> bool:
        return self.there == self.rows - self.scope.aside.total()

    @property
    def amount(self) -> int:
        return self.there if self.rowids is None else len(self.rowids)


def _compare(
    path: str, source: sqlite3.Connection, target: Connection, by: tuple[ProcessPoolExecutor, Answers]
) -> list[VerifiedTable]:
    reader, answers = by
    row = target.execute("SELECT pg_current_xact_id()::text").fetchone()
    transaction = str(row and row[0])
    carried, _ = pair(source, target, make=False)
    names = {table.name for table in carried}
    missing = [table for table in source_file.read_schema(source).tables if table.name not in names]
    run_ = source_file.identity(path)
    todo = [_to_compare(table, source, target, run_) for table in carried]
    sums = [reader.submit(_sum_source, path, one.table, one.scope, one.rowids) for one in todo]
    meter = Meter(answers, "verify", sum(one.amount for one in todo))
    verified = []
    for one, ours in zip(todo, sums, strict=True):
        meter.table = one.table.name
        is_equal, differing = _is_equal(one, ours, source, target, meter.add)
        verified.append(_verified(one, differing, is_equal))
        if is_equal and one.rowids is None and one.known is not None and one.known.run == run_:
            one.known.checked = transaction
            state.update_table(target, one.known)
            state.set_changed(target, one.known.id, ())
    target.commit()
    return verified + [_absent(table.name, source_file.count(source, table)) for table in missing]


def _to_compare(table: Carried, source: sqlite3.Connection, target: Connection, run_: str) -> _Compared:
    known = state.table(target, table.name)
    is_checked = known is not None and known.checked is not None and known.done and known.run == run_
    return _Compared(
        table,
        known,
        compare.read_scope(target, table.name),
        source_file.count(source, table.source),
        count(target, table.name),
        state.changed(target, known.id) if known is not None and is_checked else None,
    )


def _is_equal(
    one: _Compared, ours: "Future[Sums]", source: sqlite3.Connection, target: Connection, tick: Callable[[], None]
) -> tuple[bool, list[str]]:
    """And keys of rows that differ."""
    table, scope = one.table, one.scope
    since = one.known.checked if one.known is not None and one.rowids is not None else None
    theirs = compare.sum_up(compare.target_rows(target, table, scope, since), tick)
    parts = ours.result().differing_parts(theirs)
    if one.rowids is not None:
        if not parts and one.has_as_many:
            return True, []
        # Something else was written: all of it has to be looked at.
        one.rowids = None
        found = compare.sum_up(compare.source_rows(source, table, scope), tick)
        parts = found.differing_parts(compare.sum_up(compare.target_rows(target, table, scope), lambda: None))
    if not parts:
        return True, []
    rows = compare.source_rows(source, table, scope), compare.target_rows(target, table, scope)
    return False, compare.differing_keys(*rows, parts)


def _sum_source(path: str, table: Carried, scope: Scope, rowids: Sequence[int] | None) -> Sums:
    connection = source_file.connect(path)
    try:
        return compare.sum_up(compare.source_rows(connection, table, scope, rowids), lambda: None)
    finally:
        connection.close()


def _verified(one: _Compared, differing: list[str], is_equal: bool) -> VerifiedTable:
    return {
        "table": one.table.name,
        "source": one.rows,
        "target": one.there,
        "mended": len(one.scope.by_print),
        "aside": one.scope.aside.total(),
        "equal": is_equal,
        "differing": differing[:_NAMED],
    }


def _absent(name: str, rows: int) -> VerifiedTable:
    return {"table": name, "source": rows, "target": 0, "mended": 0, "aside": 0, "equal": False, "differing": []}
