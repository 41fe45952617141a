"""One form for a value, whichever side it comes from: what is compared after a copy.

It is written apart from ``mend``, so that a fault of one does not hide in the other.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from .columns import Column, Kind

#: Stands for NULL: no text of either side contains a lone surrogate.
NULL = "\udfff"
#: Between values: no text of PostgreSQL contains it.
_BETWEEN = "\0"

_WORDS = {"1": "1", "t": "1", "true": "1", "yes": "1", "on": "1", "y": "1"}
_WORDS |= {"0": "0", "f": "0", "false": "0", "no": "0", "off": "0", "n": "0"}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _integer(value: Any) -> str:
    return str(int(value)) if isinstance(value, (int, float)) else str(value)


def _boolean(value: Any) -> str:
    if isinstance(value, float):
        value = int(value)
    word = str(value).strip().lower()
    return _WORDS.get(word, word)


def _float(value: Any) -> str:
    return float(value).hex()


def _timestamp(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return str(value)
    return (moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment).isoformat()


def _jsonb(value: Any) -> str:
    return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)


def _bytes(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    text = str(value)
    return text[2:] if text.startswith("\\x") else text.encode("utf-8", "surrogateescape").hex()


def _other(value: Any) -> str:
    try:
        return str(Decimal(str(value)).normalize())
    except InvalidOperation:
        return str(value)


_FORMS: dict[Kind, Callable[[Any], str]] = {
    "text": _text,
    "json": _text,
    "jsonb": _jsonb,
    "integer": _integer,
    "boolean": _boolean,
    "float": _float,
    "timestamp": _timestamp,
    "date": _timestamp,
    "bytes": _bytes,
    "other": _other,
}


def canonical(columns: Sequence[Column]) -> Callable[[Sequence[Any]], str]:
    """A function from a row to its text. Values of the target are PostgreSQL's text."""
    # Most columns are text as they are: only the other kinds of columns are looked at one by one.
    plain = ("text", "json")
    forms = [(place, _FORMS[column.kind]) for place, column in enumerate(columns) if column.kind not in plain]

    def of_row(row: Sequence[Any]) -> str:
        values = list(row)
        for place, form in forms:
            value = values[place]
            if value is not None:
                values[place] = form(value)
        texts = [NULL if value is None else value if type(value) is str else _text(value) for value in values]
        return _BETWEEN.join(texts)

    return of_row
