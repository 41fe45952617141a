"""Skips round trips to PostgreSQL that the app's code does not ask for and that change no result of its queries.

Open WebUI opens a short session for nearly every lookup: three to check one token. For each session, SQLAlchemy and
psycopg make four round trips: a ping, BEGIN, the query, ROLLBACK. Three of the four can go:

- A query that only reads is sent without a transaction around it. Under READ COMMITTED each statement sees what was
  committed when it began, in a transaction or not. BEGIN is sent before the first statement that may do more, and
  from then on there is a transaction, as always.
- A connection that was used a moment ago and has nothing to read is not pinged. A server that ends a connection says
  so, and its message can be seen without a ping.
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

#: Seconds after its last use in which a quiet connection is not pinged. Under load this skips nearly all pings. A
#: network path that died silently is noticed by the next query instead.
FRESH_FOR = 1.0

#: Key in a pooled connection's ``info``: its reads need no transaction.
_READS_ALONE = "webui_tune.reads_alone"

#: Another key there: psycopg's prepare_threshold outside transactions.
_PREPARES = "webui_tune.prepares"

#: Asks a new connection for its isolation and its server process, and whether there are views, which may call
#: anything. An app's queries do not use the views of extensions (pg_stat_statements).
_ABOUT_CONNECTION = """
    SELECT current_setting('transaction_isolation'), pg_backend_pid(), EXISTS (
        SELECT FROM pg_class WHERE relkind = 'v' AND oid >= 16384 AND pg_table_is_visible(oid)
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e'))
"""

#: What may stand before a parenthesis in a query that only reads: keywords, types, functions without effects.
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
#: With these a query may do more, wherever they are: locks, WITH that modifies, a second statement; comments and
#: dollars, which may hide a function's name from the pattern below.
_MORE = re.compile(r";|\$|/\*|--|\b(?:for|into|insert|update|delete|merge)\b", re.IGNORECASE)
#: What is called, also by a quoted name or one with a schema.
_CALLED = re.compile(r'([\w."]+)\s*\(')


#: Characters of the longest statement whose answer is kept: a list of a thousand ids is not asked for again.
_KEPT_LENGTH = 4096


def only_reads(statement: str) -> bool:
    """Whether ``statement`` certainly has no effect, and no lock that outlasts it. In doubt, False.

    It cannot see a function behind a view, so that a database with views of its own is left alone (`connected`).
    """
    return _only_reads(statement) if len(statement) > _KEPT_LENGTH else _kept_only_reads(statement)


def _only_reads(statement: str) -> bool:
    return (
        _READS.match(statement) is not None
        and _MORE.search(statement) is None
        and all(_HARMLESS.fullmatch(word) for word in _CALLED.findall(statement))
    )


_kept_only_reads = lru_cache(maxsize=1024)(_only_reads)


def spare_round_trips(engine: Engine) -> None:
    """Set up the ``sync_engine`` of the app's asynchronous engine, before it has a connection."""
    from psycopg.errors import FeatureNotSupported
    from psycopg.pq import TransactionStatus

    idle = TransactionStatus.IDLE
    dialect: Any = engine.dialect
    ping, rollback, commit, execute = dialect.do_ping, dialect.do_rollback, dialect.do_commit, dialect.do_execute
    last_use: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def do_ping(connection: Any) -> bool:
        driver = connection.driver_connection
        is_fresh = monotonic() - last_use.get(driver, float("-inf")) < FRESH_FOR
        return (is_fresh and _is_quiet(driver)) or bool(ping(connection))

    def do_rollback(connection: Any) -> None:
        # In that state psycopg would do nothing either, but only after two context switches.
        if connection.driver_connection.pgconn.transaction_status != idle:
            rollback(connection)

    def do_commit(connection: Any) -> None:
        if connection.driver_connection.pgconn.transaction_status != idle:
            commit(connection)

    def do_execute(cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        try:
            execute(cursor, statement, parameters, context)
        except FeatureNotSupported:
            # "cached plan must not change result type": a column has changed since the statement was prepared. In the
            # app's own way each session ends with a ROLLBACK, at which psycopg forgets what it was about to prepare.
            driver = context and context.root_connection.connection.driver_connection
            if not driver or not driver.autocommit or driver.prepare_threshold is None:
                raise
            context.root_connection.connection.info[_PREPARES] = driver.prepare_threshold = None
            execute(cursor, statement, parameters, context)  # it only reads, outside of a transaction

    def connected(connection: Any, record: Any) -> None:
        driver = connection.driver_connection
        cursor = connection.cursor()
        cursor.execute(_ABOUT_CONNECTION)
        isolation, pid, has_views = cursor.fetchone()
        cursor.close()
        connection.rollback()
        if pid != driver.pgconn.backend_pid:
            # There is a pooler such as PgBouncer, which may send each statement to another server. So far, a ROLLBACK
            # made psycopg forget the statements that it was about to prepare.
            driver.prepare_threshold = None
        record.info[_PREPARES] = driver.prepare_threshold
        if isolation == "read committed" and not has_views:
            record.info[_READS_ALONE] = True
            connection.autocommit = True

    def about_to_execute(
        connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        pooled: Any = connection.connection
        # Code that asks a connection for an isolation level gets it.
        if (
            pooled.driver_connection.autocommit
            and pooled.info.get(_READS_ALONE)
            and "isolation_level" not in connection.get_execution_options()
            and (context._is_server_side or not only_reads(statement))
        ):
            pooled.dbapi_connection.autocommit = False  # psycopg then sends BEGIN before the statement
            # Within a transaction, a prepared statement that fails cannot be repeated.
            pooled.driver_connection.prepare_threshold = None

    def checked_in(connection: Any, record: Any) -> None:
        if connection is None:
            return
        driver = connection.driver_connection
        last_use[driver] = monotonic()
        if not driver.autocommit and record.info.get(_READS_ALONE) and driver.pgconn.transaction_status == idle:
            try:
                connection.autocommit = True
                driver.prepare_threshold = record.info[_PREPARES]
            except Exception as error:  # raised here, it would cost the pool a place
                complain(f"a database connection keeps its transactions: {error!r}")

    dialect.do_ping, dialect.do_rollback, dialect.do_commit = do_ping, do_rollback, do_commit
    dialect.do_execute = do_execute
    event.listen(engine, "connect", connected)
    event.listen(engine, "before_cursor_execute", about_to_execute)
    event.listen(engine, "checkin", checked_in)


def _is_quiet(driver: Any) -> bool:
    """Whether the connection is open and the server has sent nothing since its last answer, no farewell either."""
    if driver.closed:
        return False
    poll = select.poll()
    poll.register(driver.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
