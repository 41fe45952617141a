"""Gives a row the form that its table in the target takes, or puts it aside."""

import json
import re
from collections.abc import Sequence
from typing import Any

from .columns import Column
from .fit import Mend, Mended, Unfit, as_text, fit, original
from .text import clean, clean_escapes, is_encodable

#: A date that PostgreSQL reads as it stands.
_PLAIN_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?")
_PLAIN_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Aside(Exception):
    """The row cannot be in the target's table."""

    def __init__(self, column: str | None, problem: str, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.problem = problem


class Mender:
    """Of one table. ``made``: the table was made for the migration, so its columns may become text."""

    def __init__(self, columns: Sequence[Column], defaults: dict[str, Any], *, made: bool = False) -> None:
        self._columns = columns
        self._defaults = defaults
        self._made = made
        self._json = [place for place, column in enumerate(columns) if column.kind in ("json", "jsonb")]
        self._dates = [place for place, column in enumerate(columns) if column.kind in ("timestamp", "date")]
        self._bytes = {place for place, column in enumerate(columns) if column.kind == "bytes"}

    def suspects(self, row: tuple[Any, ...]) -> bool:
        """Whether PostgreSQL could take a value otherwise than it is meant. What it refuses is found out later."""
        if bytes in set(map(type, row)) and any(
            type(value) is bytes and place not in self._bytes for place, value in enumerate(row)
        ):
            return True
        for place in self._json:
            value = row[place]
            if type(value) is str and "\\u" in value and clean_escapes(value) != value:
                return True
        for place in self._dates:
            value = row[place]
            if value is not None:
                form = _PLAIN_DATE if self._columns[place].kind == "date" else _PLAIN_TIMESTAMP
                if type(value) is not str or not form.fullmatch(value):
                    return True
        return False

    def is_plain(self, row: tuple[Any, ...]) -> bool:
        """Whether nothing can be wrong with the values. JSON is not looked into: SQLite does that faster."""
        if self.suspects(row):
            return False
        for column, value in zip(self._columns, row, strict=True):
            if value is None:
                continue
            match column.kind:
                case "integer":
                    is_plain = type(value) is int
                case "boolean":
                    is_plain = value in (0, 1)
                case "text" | "json":
                    is_plain = type(value) is not str or ("\0" not in value and is_encodable(value))
                case "float":
                    is_plain = type(value) in (int, float)
                case _:
                    is_plain = True
            if not is_plain:
                return False
        return True

    def mend(self, row: Sequence[Any]) -> Mended:
        """Raises ``Aside`` where the row cannot be kept in the table."""
        mended = Mended(list(row))
        for place, (column, value) in enumerate(zip(self._columns, row, strict=True)):
            if value is None:
                mended.values[place] = self._instead_of_null(column, mended, None, "null", "NULL where it may not be")
                continue
            try:
                mended.values[place] = fit(column, value, mended)
            except Unfit as unfit:
                if self._made:
                    mended.widen.append((column.name, "text"))
                    mended.values[place] = as_text(column.name, value, mended)
                else:
                    mended.values[place] = self._instead_of_null(column, mended, value, unfit.problem, str(unfit))
        return mended

    def _instead_of_null(self, column: Column, mended: Mended, value: Any, problem: str, message: str) -> Any:
        if column.nullable:
            if value is not None:
                mended.mends.append(Mend(column.name, problem, message, "emptied", original(value)))
            return None
        if column.name in self._defaults:
            mended.mends.append(
                Mend(column.name, problem, f"{message}: the column's default", "changed", original(value))
            )
            return self._defaults[column.name]
        if column.kind == "json" and isinstance(value, str):
            message = f"{message}: kept as a string"
            mended.mends.append(Mend(column.name, problem, message, "changed", original(value)))
            return json.dumps(clean(value), ensure_ascii=False)
        raise Aside(column.name, problem, f"{message}, and the column has no default")
