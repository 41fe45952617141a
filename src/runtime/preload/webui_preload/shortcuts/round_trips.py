"""Spares PostgreSQL round trips that the app's own code does not ask for, and that change no result of its queries.

Open WebUI opens a short session for nearly every lookup, three of them to check one token. SQLAlchemy and psycopg
make four exchanges of each: a ping, BEGIN, the query, ROLLBACK. Three of the four can go:

- A query that only reads is sent without a transaction around it. Under READ COMMITTED each statement sees what was
  committed when it began, in a transaction or not. BEGIN goes out ahead of the first statement that may do more, and
  from there on it is the transaction that it always was.
- A connection that was used a moment ago and has nothing to read is not pinged. A server that ends a connection says
  so, and that can be seen without asking.
"""

import re
import select
from functools import lru_cache
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from ..log import complain

#: Seconds after its last use in which a connection that is quiet is not pinged. Under load that spares nearly all
#: pings; a network path that died without a word is noticed as late as by any query.
FRESH_FOR = 1.0

#: Key of a pooled connection's ``info``: that its reads may go without a transaction.
_READS_ALONE = "webui_tune.reads_alone"

#: What may stand ahead of a parenthesis in a query that only reads: keywords, types, functions without an effect.
_HARMLESS = re.compile(
    r"""all|and|any|array|as|between|by|case|cast|distinct|else|except|exists|filter|from|having|i?like|in|intersect
    |is|join|lateral|limit|not|offset|on|or|over|partition|select|similar|some|then|union|using|values|when|where
    |bigint|char|integer|numeric|varchar
    |abs|avg|ceil|coalesce|count|date_part|date_trunc|extract|floor|greatest|least|length|lower|[lr]?trim|max|min
    |nullif|position|replace|round|row_number|substr|substring|sum|to_timestamp|upper
    |jsonb?_(?:array_elements|array_elements_text|array_length|each|each_text|extract_path|extract_path_text|typeof)""",
    re.IGNORECASE | re.VERBOSE,
)

_READS = re.compile(r"\s*\(*\s*(?:select|with)\b", re.IGNORECASE)
#: Words that may make more of a query, wherever they stand: locks, WITH that modifies, a second statement.
_MORE = re.compile(r";|\b(?:for|into|insert|update|delete|merge)\b", re.IGNORECASE)
#: Also what a quoted name or a schema's function is called by.
_CALLED = re.compile(r'([\w."]+)\s*\(')


@lru_cache(maxsize=4096)
def only_reads(statement: str) -> bool:
    """Whether ``statement`` certainly has no effect and takes no lock that is to outlast it; in doubt False."""
    return (
        _READS.match(statement) is not None
        and _MORE.search(statement) is None
        and all(_HARMLESS.fullmatch(word) for word in _CALLED.findall(statement))
    )


def spare_round_trips(engine: Engine) -> None:
    """Set up the synchronous face of the app's asynchronous engine, which has no connection yet."""
    from psycopg.pq import TransactionStatus

    idle = TransactionStatus.IDLE
    dialect: Any = engine.dialect
    ping, rollback, commit = dialect.do_ping, dialect.do_rollback, dialect.do_commit
    last_use: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def do_ping(connection: Any) -> bool:
        driver = connection.driver_connection
        is_fresh = monotonic() - last_use.get(driver, float("-inf")) < FRESH_FOR
        return (is_fresh and _is_quiet(driver)) or bool(ping(connection))

    def do_rollback(connection: Any) -> None:
        # psycopg would do nothing either, after two switches of context.
        if connection.driver_connection.pgconn.transaction_status != idle:
            rollback(connection)

    def do_commit(connection: Any) -> None:
        if connection.driver_connection.pgconn.transaction_status != idle:
            commit(connection)

    def connected(connection: Any, record: Any) -> None:
        driver = connection.driver_connection
        cursor = connection.cursor()
        cursor.execute("SELECT current_setting('transaction_isolation'), pg_backend_pid()")
        isolation, pid = cursor.fetchone()
        cursor.close()
        connection.rollback()
        if pid != driver.pgconn.backend_pid:
            # A pooler such as PgBouncer is in between, and may give each statement to another server. Until now a
            # ROLLBACK made psycopg forget what it was about to prepare.
            driver.prepare_threshold = None
        if isolation == "read committed":
            record.info[_READS_ALONE] = True
            connection.autocommit = True

    def about_to_execute(
        connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        pooled: Any = connection.connection
        # Who asks for an isolation level of a connection gets that.
        if (
            pooled.driver_connection.autocommit
            and pooled.info.get(_READS_ALONE)
            and "isolation_level" not in connection.get_execution_options()
            and (context._is_server_side or not only_reads(statement))
        ):
            pooled.dbapi_connection.autocommit = False  # psycopg sends BEGIN ahead of the statement

    def checked_in(connection: Any, record: Any) -> None:
        if connection is None:
            return
        driver = connection.driver_connection
        last_use[driver] = monotonic()
        if not driver.autocommit and record.info.get(_READS_ALONE) and driver.pgconn.transaction_status == idle:
            try:
                connection.autocommit = True
            except Exception as error:  # the pool would lose the connection's place
                complain(f"a database connection keeps its transactions: {error!r}")

    dialect.do_ping, dialect.do_rollback, dialect.do_commit = do_ping, do_rollback, do_commit
    event.listen(engine, "connect", connected)
    event.listen(engine, "before_cursor_execute", about_to_execute)
    event.listen(engine, "checkin", checked_in)


def _is_quiet(driver: Any) -> bool:
    """Whether the connection is open and its server has said nothing since its last answer: no farewell either."""
    if driver.closed:
        return False
    poll = select.poll()
    poll.register(driver.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
