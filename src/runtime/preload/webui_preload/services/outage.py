"""Tells a service that is down from a defect, and keeps the outage out of the log.

While Redis or the database is away, Open WebUI logs each request, token and loop that fails because of it, most with
a stack trace: 2,850 lines in a failover of 5 s. The runtime writes one line when the service is lost and one when it
is back (watch.py), and counts the entries between them.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator

REDIS, DATABASE = "Redis", "the database"

#: SQLSTATE of a connection that is lost or refused, and of a server that is going down or coming up (PostgreSQL's
#: manual, appendix A).
_LOST_STATES = re.compile(r"08|57P0[123]")

_DRIVER_ERRORS = {("psycopg", "OperationalError"), ("psycopg2", "OperationalError"), ("psycopg2", "InterfaceError")}

#: The same in messages without an exception: redis-py 8, python-socketio 5, Open WebUI 0.12.4, libpq 15.
_LOST_WORDS = {
    REDIS: re.compile(
        r"Error \d+ (?:connecting to|while (?:reading|writing))|Connection closed by server|No master found for"
        r"|Cannot (?:publish to|receive from) redis|Redis operation failed after"
        r"|Redis [\w ]+ listener (?:failed|stopped)|Timeout (?:connecting to|reading from) |Error: Redis is lost"
    ),
    DATABASE: re.compile(
        r"connection to server at .* failed|server closed the connection|terminating connection due to"
        r"|connection failed:|the connection is (?:closed|lost)"
        r"|the database system is (?:starting up|shutting down|in recovery)"
        r"|consuming input failed|App connection reconciliation failed"
    ),
}


def service_of(error: BaseException) -> str | None:
    """The service that is down according to ``error`` or one of its causes; None for any other error."""
    for cause in _causes(error):
        kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(cause).__mro__}
        # It is raised where all connections of a pool are in use: whoever uses them is answered.
        is_busy = ("redis", "MaxConnectionsError") in kinds
        if kinds & {("redis", "ConnectionError"), ("redis", "TimeoutError")} and not is_busy:
            return REDIS
        if kinds & _DRIVER_ERRORS:
            state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
            if not state or _LOST_STATES.match(state):
                return DATABASE
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all its causes, each once; groups are taken apart."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        further = (current.__cause__, current.__context__, getattr(current, "orig", None))
        waiting += [cause for cause in further if isinstance(cause, BaseException)]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions


#: Seconds after the return of a service in which calls of before may still fail: a dead connection is given up within
#: ten (dead_connections.py).
AFTERMATH = 15.0


class Outages:
    """Knows which services are lost. ``say`` writes a line; ``clock`` counts seconds."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._since: dict[str, float] = {}
        self._back: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def is_lost(self, service: str) -> bool:
        return service in self._since

    def lost(self, service: str, reason: str) -> None:
        """The service does not answer. The log says so once."""
        if service not in self._since:
            self._since[service] = self._clock()
            self._left_out[service] = 0
            self._say(f"{service} is lost: {reason}. What fails because of it is counted, not logged")

    def reported(self, service: str, reason: str) -> None:
        """A call failed as if the service were lost. Soon after a return, only the watch knows whether it is."""
        if not self._is_just_back(service):
            self.lost(service, reason)

    def _is_just_back(self, service: str) -> bool:
        return service in self._back and self._clock() - self._back[service] < AFTERMATH

    def answers(self, service: str) -> bool:
        """The service answers. Returns True, and writes a line, where it had been lost."""
        since = self._since.pop(service, None)
        if since is None:
            return False
        self._back[service] = self._clock()
        count = self._left_out.pop(service)
        self._say(f"{service} answers again, after {self._clock() - since:.1f} s; log entries left out: {count}")
        return True

    def leave_out(self, record: logging.LogRecord) -> bool:
        """Whether the record is about a lost service; it may be the first to say that the service is lost."""
        error = record.exc_info[1] if record.exc_info else None
        service = service_of(error) if error else None
        if service and error:
            self.reported(service, _first_line(error))
        else:
            text = record.getMessage()
            away = [*self._since, *filter(self._is_just_back, self._back)]
            service = next((name for name in away if _LOST_WORDS[name].search(text)), None)
        if service is None:
            return False
        if service in self._left_out:
            self._left_out[service] += 1
        return True


class OutageFilter(logging.Filter):
    """Keeps records that `Outages` counts from a handler."""

    def __init__(self, outages: Outages) -> None:
        super().__init__()
        self._outages = outages

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            return not self._outages.leave_out(record)
        except Exception:
            return True  # in doubt, the record is kept


def filter_logs(outages: Outages) -> None:
    """Put the filter before all handlers. Call it after the app has set up its log."""
    handlers: set[logging.Handler] = set(logging.root.handlers)
    # Open WebUI removes uvicorn's own handlers, so that this one prints the traces of its requests.
    if logging.lastResort:
        handlers.add(logging.lastResort)
    for logger in logging.root.manager.loggerDict.values():
        handlers.update(getattr(logger, "handlers", ()))
    for handler in handlers:
        handler.addFilter(OutageFilter(outages))


def _first_line(error: BaseException) -> str:
    """First line of the error of the service's own driver, not of what others made of it."""
    told = [cause for cause in _causes(error) if type(cause).__module__.startswith(("redis", "psycopg"))]
    lines = str(told[0] if told else error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
