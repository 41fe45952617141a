"""Gives one value the form that its column in the target takes, and says what was changed for it."""

import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..messages import Action
from .columns import INTEGER_BITS, Column
from .text import clean, clean_escapes, is_encodable

#: PostgreSQL's own words for a boolean.
TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})
FALSE = frozenset({"0", "f", "false", "n", "no", "off"})


@dataclass
class Mend:
    column: str
    problem: str
    message: str
    action: Action
    original: object


class Unfit(Exception):
    """No value of the column's type can be made of it."""

    def __init__(self, problem: str, message: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass
class Mended:
    values: list[Any]
    mends: list[Mend] = field(default_factory=list)
    #: Columns that need a wider type for this row: (name, type).
    widen: list[tuple[str, str]] = field(default_factory=list)


def original(value: Any) -> object:
    """A value of the source for the report, with nothing lost."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, str) and not is_encodable(value):
        return {"hex": value.encode("utf-8", "surrogateescape").hex()}
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def fit(column: Column, value: Any, mended: Mended) -> Any:
    match column.kind:
        case "text":
            text = as_text(column.name, value, mended)
            if column.length is not None and len(text) > column.length:
                mended.widen.append((column.name, "text"))
            return text
        case "json" | "jsonb":
            return _json(column.name, value, mended)
        case "integer":
            return _integer(column, value, mended)
        case "boolean":
            return _boolean(column.name, value, mended)
        case "float":
            return _float(value)
        case "timestamp" | "date":
            return _date(column, value, mended)
        case "bytes":
            return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
        case "other":
            return value if isinstance(value, bytes) else as_text(column.name, value, mended)


def as_text(name: str, value: Any, mended: Mended) -> str:
    if isinstance(value, bytes):
        text = clean(value.decode("utf-8", "surrogateescape"))
        mended.mends.append(Mend(name, "blob", "a BLOB where text belongs", "changed", original(value)))
        return text
    if not isinstance(value, str):
        return repr(value) if isinstance(value, float) else str(value)
    text = clean(value)
    if text != value:
        what = "NUL characters" if is_encodable(value) else "bytes that are no UTF-8, or lone surrogates"
        mended.mends.append(Mend(name, "text", what, "changed", original(value)))
    return text


class _NotANumber(Exception):
    pass


def _json(name: str, value: Any, mended: Mended) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        raise Unfit("json", "a number that JSON has no word for")
    if isinstance(value, (int, float)):
        return repr(value)
    text = as_text(name, value, mended)
    cleaned = clean_escapes(text)
    if cleaned != text:
        message = "JSON with escapes of NUL or of lone surrogates"
        mended.mends.append(Mend(name, "json", message, "changed", original(value)))
    try:
        json.loads(cleaned, parse_constant=_refuse_constant)
        return cleaned
    except _NotANumber:
        changed = json.dumps(json.loads(cleaned, parse_constant=lambda _: None), ensure_ascii=False)
        message = "JSON with NaN or Infinity: null instead"
        mended.mends.append(Mend(name, "json", message, "changed", original(value)))
        return changed
    except (ValueError, RecursionError):
        raise Unfit("json", "no JSON") from None


def _refuse_constant(_: str) -> None:
    raise _NotANumber


def _integer(column: Column, value: Any, mended: Mended) -> int:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        number = _number_of_text(value)
        mended.mends.append(Mend(column.name, *number[1:], "changed", original(value)))
        value = number[0]
    if isinstance(value, float):
        if not math.isfinite(value) or abs(value) >= 2**63:
            raise Unfit("number", "a number that is no integer of 64 bits")
        if not value.is_integer():
            message = "a number with a fraction, which was cut off"
            mended.mends.append(Mend(column.name, "number", message, "changed", value))
        value = int(value)
    bits = INTEGER_BITS.get(column.type)
    if bits is not None and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
        mended.widen.append((column.name, "bigint"))
    return int(value)


def _number_of_text(text: str) -> tuple[float | int, str, str]:
    try:
        return int(text), "number", "text where a number belongs"
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Unfit("number", "text that is neither a number nor a date") from None
    # Python's own times have no zone in SQLite, and Open WebUI means UTC.
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return int(seconds), "date", "a date as text where its seconds belong"


def _boolean(name: str, value: Any, mended: Mended) -> bool:
    if value in (0, 1):
        return bool(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        word = value.strip().lower()
        if word in TRUE or word in FALSE:
            return word in TRUE
        raise Unfit("boolean", "text that is no boolean")
    mended.mends.append(Mend(name, "boolean", "a number besides 0 and 1 where a boolean belongs", "changed", value))
    return True


def _float(value: Any) -> float:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    try:
        return float(value)
    except ValueError:
        raise Unfit("number", "text where a number belongs") from None


def _date(column: Column, value: Any, mended: Mended) -> str:
    moment, message = _moment(value)
    if moment.tzinfo:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    if column.kind == "date":
        if (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
            message = message or "a date with a time of day, which was cut off"
        text = moment.date().isoformat()
    else:
        text = moment.isoformat(" ")
    if message:
        mended.mends.append(Mend(column.name, "date", message, "changed", original(value)))
    return text


def _moment(value: Any) -> tuple[datetime, str]:
    """The moment in UTC, and what was unusual about its form."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if isinstance(value, str):
        text = value.strip()
        if re.fullmatch(r"-?\d{9,}(\.\d+)?", text):
            value = float(text)
        else:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                raise Unfit("date", "text that is no date") from None
            return moment, "a date with a zone: in UTC" if moment.tzinfo else ""
    # Seconds until the year 5138, then milliseconds, microseconds, nanoseconds.
    for divisor in (1, 1e3, 1e6, 1e9):
        if abs(value / divisor) < 1e11:
            return datetime.fromtimestamp(value / divisor, UTC), "a date as a number"
    raise Unfit("date", "a number that is no date")
