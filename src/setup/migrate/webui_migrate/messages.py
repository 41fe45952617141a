"""What requests and answers of the commands for tables contain.

Answers have ``type`` besides: progress, finding, result, error. An error has ``code``, ``message`` and ``mends`` (a
list of sentences). Codes: ``source-missing``, ``source-not-sqlite``, ``source-corrupt``, ``source-busy``,
``source-newer``, ``source-version`` (its schema is not the installed version's), ``no-space``, ``migrations-failed``,
``target-unreachable``, ``target-not-empty``, ``target-old``, ``target-encoding``, ``target-permission``,
``target-no-pgvector``, ``target-not-prepared``, ``target-in-use`` (another migration is running into it),
``source-unfinished`` (SQLite cannot finish a write beside it; ``upgrade-copy`` can beside the copy), ``unexpected``.
"""

from typing import Literal, NotRequired, TypedDict

#: What was done to a value or a row. ``changed``: the target has another value. ``emptied``: it has NULL.
#: ``widened``: the target's column has another type. ``aside``: the row or value is not in the target's table, but
#: kept in the report. ``left``: no row (a view, a trigger), stays in the source. ``made``: a table was made.
Action = Literal["changed", "emptied", "widened", "aside", "left", "made"]


class Progress(TypedDict):
    """At most four a second. ``total`` is of the whole command; ``unit`` says what is counted."""

    step: str
    done: int
    total: int
    unit: Literal["rows", "bytes", "steps"]
    table: NotRequired[str]


class Finding(TypedDict):
    """What cannot be carried as it is: a line of the report file. Answers have the first ten of each kind."""

    table: str
    #: Of the row, as text; parts of a compound key are joined by U+001F. None: it concerns the whole table.
    key: str | None
    #: None: it concerns the whole row.
    column: str | None
    #: For programs: null, boolean, number, date, json, text, blob, duplicate, orphan, refused, column, table, view, …
    problem: str
    #: For people: what was wrong.
    message: str
    action: Action
    #: In the report file only: what the source had (the value, or the whole row), bytes as {"hex": …}.
    original: NotRequired[object]


class LookRequest(TypedDict):
    source: str


class TableSize(TypedDict):
    name: str
    rows: int
    #: 0 where this build of SQLite cannot tell.
    bytes: int


class LookResult(TypedDict):
    """Problems of the values are findings before it, at most ten for each table, column and problem."""

    #: Revision of Alembic; None: older than Alembic in Open WebUI, or no database of Open WebUI.
    revision: str | None
    #: Latest revision of the installed Open WebUI.
    installed_revision: str
    #: current: as the installed one. older: ``upgrade-copy`` migrates a copy. newer: refused by the others.
    version: Literal["current", "older", "newer", "none"]
    tables: list[TableSize]
    bytes: int
    #: Of SQLite: wal, delete, …
    journal: str
    #: Size of the write-ahead log that is not yet in the file.
    wal_bytes: int
    #: All of PRAGMA integrity_check's complaints; empty: the file is whole.
    corrupt: list[str]
    #: How many values have each problem, findings that were cut off included: {"table.column problem": count}.
    problems: dict[str, int]
    #: Estimates. Outage: the second pass, and what is checked while the server is stopped. Upgrade: what migrating a
    #: copy of an older version's file takes besides, each time.
    seconds: float
    outage_seconds: float
    upgrade_seconds: float


class UpgradeCopyRequest(TypedDict):
    source: str
    #: Path of the copy. What a run that was killed left there is replaced.
    copy: str
    #: Of Open WebUI's own migrations: what the installation has set. DATABASE_URL and DATA_DIR are not taken from it.
    env: dict[str, str]


class UpgradeCopyResult(TypedDict):
    bytes: int
    #: Revision before and after.
    source_revision: str | None
    revision: str
    #: Whether Open WebUI's migrations were run on the copy.
    upgraded: bool
    copy_seconds: float
    upgrade_seconds: float
    #: Largest memory of the process that migrated, in bytes; 0: there was none.
    upgrade_memory: int


class PrepareRequest(TypedDict):
    #: As DATABASE_URL. It may contain a password.
    target: str
    #: As DATABASE_SCHEMA; None or left out: the search path's first.
    schema: NotRequired[str | None]
    #: As in UpgradeCopyRequest.
    env: dict[str, str]
    #: Whether pgvector must be there (default: yes).
    pgvector: NotRequired[bool]
    #: True: check only, change nothing. ``revision`` is "" then.
    dry: NotRequired[bool]


class PrepareResult(TypedDict):
    #: As the server says it.
    server: str
    revision: str
    tables: int
    #: Whether an interrupted migration is there already, and is resumed.
    resumed: bool
    seconds: float
    memory: int


CopyRequest = TypedDict(
    "CopyRequest",
    {
        #: The copy, or the file itself while no server writes it.
        "source": str,
        #: The copy that the first pass has read, for the second: rows that are the same in both are not read again.
        "base": NotRequired[str],
        "target": str,
        "schema": NotRequired[str | None],
        #: 1: while the old server runs; leaves the target without its foreign keys. 2: applies what has changed
        #: since, checks and restores the foreign keys, sets sequences. 2 alone copies everything too.
        "pass": Literal[1, 2],
        #: Path of the report: a JSON line for each finding, rewritten as a whole at the end of each pass. Mode 0600.
        "report": str,
    },
)


class CopiedTable(TypedDict):
    table: str
    #: Rows of the source.
    rows: int
    inserted: int
    updated: int
    deleted: int
    #: Rows with at least one finding of this kind, of both passes.
    mended: int
    aside: int


class CopyResult(TypedDict):
    tables: list[CopiedTable]
    seconds: float
    #: Largest memory of this process, in bytes.
    memory: int
    #: Lines of the report, those about whole tables included.
    findings: int


class VerifyRequest(TypedDict):
    source: str
    target: str
    schema: NotRequired[str | None]


class Compared(TypedDict):
    """What the comparison of a table, or of a collection of chunks, has found."""

    #: Rows of the source and of the target.
    source: int
    target: int
    #: Rows that have a finding: those that are in the target with another value, those that are kept aside.
    mended: int
    aside: int
    #: Every row of the source is in the target with the same values, or has a finding; no other row is there. Chunks:
    #: the same text, metadata and embedding, bit by bit in the column's precision.
    equal: bool
    #: Keys of rows that differ, at most 20.
    differing: list[str]


class VerifiedTable(Compared):
    table: str


class VerifyResult(TypedDict):
    equal: bool
    tables: list[VerifiedTable]
    seconds: float
    memory: int


class WrittenSinceRequest(TypedDict):
    target: str
    schema: NotRequired[str | None]
    #: What was carried: rows that say the same are not written. Without it, whatever Open WebUI has touched is.
    source: NotRequired[str]


class WrittenTable(TypedDict):
    table: str
    #: Rows that were inserted or updated since the second pass ended.
    written: int
    #: How many fewer rows there are than then, less those that are new; 0: none.
    deleted: int


class WrittenSinceResult(TypedDict):
    #: False: the second pass has not ended, so the target is nobody's yet.
    finished: bool
    written: bool
    #: Only tables where something was.
    tables: list[WrittenTable]


class ForgetRequest(TypedDict):
    target: str
    schema: NotRequired[str | None]
    #: URL of the database that has the vectors; often the same.
    vectors: str


class ForgetResult(TypedDict):
    #: Names of tables.
    dropped: list[str]
