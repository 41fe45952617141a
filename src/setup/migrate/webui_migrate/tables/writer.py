"""Writes rows into a table of the target, and finds the ones that it refuses."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors, sql

from . import state
from .carried import Carried, widen
from .fit import Mend, original
from .mend import Aside
from .postgres import Connection
from .state import Line

_LINE = re.compile(r"^COPY .*, line (\d+)", re.MULTILINE)
_COLUMN = re.compile(r"^COPY .*, line \d+, column ([^:\n]+)", re.MULTILINE)


@dataclass
class Row:
    #: What stands for the row, and the row as the source has it.
    print: int
    values: tuple[Any, ...]


@dataclass
class _Mended:
    row: Row
    values: list[Any]
    mends: list[Mend]


class _Refusal(Exception):
    """Which of the rows was refused, and why. ``place`` is None where PostgreSQL does not say."""

    def __init__(self, place: int | None, error: psycopg.Error | UnicodeEncodeError) -> None:
        super().__init__(str(error))
        self.place = place
        self.error = error


class Writer:
    """Of one table. All of it is part of the caller's transaction."""

    def __init__(self, target: Connection, table: Carried, table_id: int) -> None:
        self._target = target
        self._table = table
        self._id = table_id
        self._width = len(table.columns)
        self._copy = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table.name),
            sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns),
        )

    def put(self, rows: list[Row]) -> list[str | None]:
        """Writes the rows, and into the state that they are written; returns the keys of those that now are there."""
        ready: list[_Mended] = []
        lines: list[Line] = []
        for row in rows:
            lines.extend(self._kept_columns(row))
            values = row.values[: self._width]
            if self._table.mender.suspects(values):
                mended = self._mend(row, lines)
                if mended is not None:
                    ready.append(mended)
            else:
                ready.append(_Mended(row, list(values), []))
        written = self._write(ready, lines)
        keys = [self._table.key_of(one.values) for one in written]
        prints = (one.row.print for one in written)
        state.add_rows(self._target, self._id, zip(prints, keys, strict=True))
        for one in written:
            lines.extend(self._line(one.row, one.values, mend) for mend in one.mends)
        if lines:
            state.add_findings(self._target, lines)
        return keys

    def _kept_columns(self, row: Row) -> Iterable[Line]:
        for name, value in zip(self._table.extra, row.values[self._width :], strict=True):
            if value is not None:
                key = self._table.key_of(row.values)
                message = "a value of a column that only the source has"
                yield Line(self._table.name, row.print, key, name, "column", message, "aside", original(value))

    def _line(self, row: Row, values: list[Any], mend: Mend) -> Line:
        key = self._table.key_of(values)
        return Line(
            self._table.name, row.print, key, mend.column, mend.problem, mend.message, mend.action, mend.original
        )

    def _aside(self, row: Row, problem: str, message: str) -> Line:
        names = self._table.read_columns
        whole = {name: original(value) for name, value in zip(names, row.values, strict=True)}
        key = self._table.key_of(row.values)
        return Line(self._table.name, row.print, key, None, problem, message, "aside", whole)

    def _mend(self, row: Row, lines: list[Line]) -> _Mended | None:
        """The row with its mends; None: it is aside. Widens columns for it."""
        try:
            mended = self._table.mender.mend(row.values[: self._width])
        except Aside as aside:
            where = f"{aside.column}: " if aside.column else ""
            lines.append(self._aside(row, aside.problem, f"{where}{aside}"))
            return None
        for name, type_ in mended.widen:
            if self._table.target.columns[name].type != type_:
                lines.append(widen(self._target, self._table, name, type_))
        return _Mended(row, mended.values, mended.mends)

    def _write(self, rows: list[_Mended], lines: list[Line]) -> list[_Mended]:
        """Those that are written. The rows before one that is refused are known to be good."""
        written: list[_Mended] = []
        todo = [rows]
        while todo:
            some = todo.pop()
            try:
                self._copy_rows(some)
                written.extend(some)
            except _Refusal as refusal:
                if len(some) == 1:
                    settled = self._settle(some[0].row, refusal.error, lines)
                    if settled is not None:
                        written.append(settled)
                    continue
                place = refusal.place
                if place is None or place >= len(some):
                    middle = len(some) // 2
                    todo += [some[middle:], some[:middle]]
                else:
                    todo += [part for part in (some[place + 1 :], [some[place]], some[:place]) if part]
        return written

    def _copy_rows(self, rows: list[_Mended]) -> None:
        place: int | None = None
        try:
            with self._target.transaction(), self._target.cursor().copy(self._copy) as copy:
                for place, row in enumerate(rows):  # noqa: B007 (it is read where a row cannot be sent)
                    copy.write_row(row.values)
                place = None
        except (errors.DataError, errors.IntegrityError, errors.ProgramLimitExceeded, UnicodeEncodeError) as error:
            said = _LINE.search(error.diag.context or "") if isinstance(error, psycopg.Error) else None
            raise _Refusal(int(said[1]) - 1 if said else place, error) from error
        except errors.OperationalError as error:
            # Too deep a JSON: the only one of its class that is a row's own fault.
            if not isinstance(error, errors.StatementTooComplex):
                raise
            said = _LINE.search(error.diag.context or "")
            raise _Refusal(int(said[1]) - 1 if said else place, error) from error

    def _settle(self, row: Row, error: psycopg.Error | UnicodeEncodeError, lines: list[Line]) -> _Mended | None:
        """Mends one row that was refused, by what its values are, then by what PostgreSQL says; else it is aside."""
        mended = self._mend(row, lines)
        while mended is not None:
            try:
                self._copy_rows([mended])
                return mended
            except _Refusal as refusal:
                error = refusal.error
            if not self._empty(mended, error, lines):
                lines.append(self._aside(row, *_reason(error)))
                return None
        return None

    def _empty(self, mended: _Mended, error: psycopg.Error | UnicodeEncodeError, lines: list[Line]) -> bool:
        """Takes out the value that PostgreSQL names, where it may be NULL; a column of a made table becomes text."""
        if not isinstance(error, errors.DataError):
            return False
        named = _COLUMN.search(error.diag.context or "")
        names = [column.name for column in self._table.columns]
        if named is None or named[1] not in names:
            return False
        place = names.index(named[1])
        column = self._table.columns[place]
        if self._table.made and column.type != "text":
            lines.append(widen(self._target, self._table, column.name, "text"))
            return True
        if not column.nullable or mended.values[place] is None:
            return False
        value = mended.row.values[place]
        message = f"PostgreSQL refuses the value: {error.diag.message_primary}"
        mended.values[place] = None
        mended.mends = [mend for mend in mended.mends if mend.column != column.name]
        mended.mends.append(Mend(column.name, "refused", message, "emptied", original(value)))
        return True


def _reason(error: psycopg.Error | UnicodeEncodeError) -> tuple[str, str]:
    if not isinstance(error, psycopg.Error):
        return "refused", str(error)
    constraint = error.diag.constraint_name
    if isinstance(error, errors.UniqueViolation):
        return "duplicate", f"another row has the same values in the unique {constraint}"
    if isinstance(error, errors.NotNullViolation):
        return "null", f"{error.diag.column_name}: NULL where it may not be"
    return "refused", f"PostgreSQL refuses the row: {error.diag.message_primary or error}"
