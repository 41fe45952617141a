"""Kinds of columns: what a value has to be like, whatever its database calls the type."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["text", "json", "jsonb", "integer", "boolean", "float", "timestamp", "date", "bytes", "other"]

#: Names of PostgreSQL's types, as format_type() says them without their length.
_KINDS: dict[str, Kind] = {
    "text": "text",
    "character varying": "text",
    "character": "text",
    "json": "json",
    "jsonb": "jsonb",
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "boolean": "boolean",
    "real": "float",
    "double precision": "float",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamp",
    "date": "date",
    "bytea": "bytes",
}

#: Bits of the integers that can be widened.
INTEGER_BITS = {"smallint": 16, "integer": 32}


@cache
def _kind_of(type_: str) -> Kind:
    return _KINDS.get(type_.split("(")[0].strip(), "other")


@dataclass
class Column:
    """A column of the target. ``type`` and ``kind`` change where it is widened."""

    name: str
    #: As format_type() says it: ``character varying(255)``.
    type: str
    nullable: bool
    #: SQL; None: it has none.
    default: str | None = None

    @property
    def kind(self) -> Kind:
        return _kind_of(self.type)

    @property
    def length(self) -> int | None:
        """Most characters of a ``character varying(n)``."""
        _, bracket, rest = self.type.partition("(")
        return int(rest.rstrip(")")) if bracket and self.kind == "text" else None


def type_for(declared: str) -> str:
    """PostgreSQL's type for a column that SQLite declares so, by SQLite's own rules and the usual names of dates."""
    name = declared.upper()
    for part, target in (
        ("BOOL", "boolean"),
        ("JSON", "json"),
        ("DATETIME", "timestamp without time zone"),
        ("TIMESTAMP", "timestamp without time zone"),
        ("INT", "bigint"),
        ("CHAR", "text"),
        ("CLOB", "text"),
        ("TEXT", "text"),
        ("BLOB", "bytea"),
        ("REAL", "double precision"),
        ("FLOA", "double precision"),
        ("DOUB", "double precision"),
        ("DATE", "date"),
    ):
        if part in name:
            return target
    return "text"
