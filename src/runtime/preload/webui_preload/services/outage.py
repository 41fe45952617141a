"""Tells a service that is down from a defect, and keeps the former out of the log.

While Redis or the database is away, Open WebUI logs each request, token and loop that fails of it, most with a
stack trace: 2,850 lines in a failover of 5 s. The runtime says in one line that the service is lost and in one that
it is back (watch.py), and counts the rest.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator

REDIS, DATABASE = "Redis", "the database"

#: SQLSTATE of a connection that is lost or refused, and of a server that goes down or comes up (PostgreSQL's manual,
#: appendix A).
_LOST_STATES = re.compile(r"08|57P0[123]")

_DRIVER_ERRORS = {("psycopg", "OperationalError"), ("psycopg2", "OperationalError"), ("psycopg2", "InterfaceError")}

#: The same in messages that come without their exception: redis-py 8, python-socketio 5, Open WebUI 0.12.4, libpq 15.
_LOST_WORDS = {
    REDIS: re.compile(
        r"Error \d+ (?:connecting to|while (?:reading|writing))|Connection closed by server|No master found for"
        r"|Cannot (?:publish to|receive from) redis|Redis operation failed after"
        r"|Redis [\w ]+ listener (?:failed|stopped)|Timeout (?:connecting to|reading from) "
    ),
    DATABASE: re.compile(
        r"connection to server at .* failed|server closed the connection|terminating connection due to"
        r"|connection failed:|the connection is (?:closed|lost)"
        r"|the database system is (?:starting up|shutting down|in recovery)"
        r"|consuming input failed|App connection reconciliation failed"
    ),
}


def service_of(error: BaseException) -> str | None:
    """The service whose absence ``error`` or one of its causes tells of; None for anything else."""
    for cause in _causes(error):
        kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(cause).__mro__}
        if kinds & {("redis", "ConnectionError"), ("redis", "TimeoutError")}:
            return REDIS
        if kinds & _DRIVER_ERRORS:
            state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
            if not state or _LOST_STATES.match(state):
                return DATABASE
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that it came from, groups taken apart; each once."""
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


class Outages:
    """Which services are lost. ``say`` writes a line; ``clock`` counts seconds."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._since: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def is_lost(self, service: str) -> bool:
        return service in self._since

    def lost(self, service: str, reason: str) -> None:
        """The service does not answer; says so once."""
        if service not in self._since:
            self._since[service] = self._clock()
            self._left_out[service] = 0
            self._say(f"{service} is lost: {reason}. What fails because of it is counted, not logged")

    def answers(self, service: str) -> bool:
        """The service answers; True, and a line, where it had been lost."""
        since = self._since.pop(service, None)
        if since is None:
            return False
        count = self._left_out.pop(service)
        self._say(f"{service} answers again, after {self._clock() - since:.1f} s; log entries left out: {count}")
        return True

    def leave_out(self, record: logging.LogRecord) -> bool:
        """Whether the record tells of a service that is known to be lost, or is the first to tell of it."""
        error = record.exc_info[1] if record.exc_info else None
        service = service_of(error) if error else None
        if service and error:
            self.lost(service, _first_line(error))
        else:
            text = record.getMessage()
            service = next((name for name in self._since if _LOST_WORDS[name].search(text)), None)
        if service is None:
            return False
        self._left_out[service] += 1
        return True


class OutageFilter(logging.Filter):
    """Keeps out of a handler what `Outages` counts."""

    def __init__(self, outages: Outages) -> None:
        super().__init__()
        self._outages = outages

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            return not self._outages.leave_out(record)
        except Exception:
            return True  # a record that cannot be understood is none to lose


def filter_logs(outages: Outages) -> None:
    """Puts the filter before every handler that there is; for after the app has set up its log."""
    handlers: set[logging.Handler] = set(logging.root.handlers)
    # Open WebUI takes uvicorn's own handlers away, so that this one prints the traces of its requests.
    if logging.lastResort:
        handlers.add(logging.lastResort)
    for logger in logging.root.manager.loggerDict.values():
        handlers.update(getattr(logger, "handlers", ()))
    for handler in handlers:
        handler.addFilter(OutageFilter(outages))


def _first_line(error: BaseException) -> str:
    """What the service's own driver says, not what was made of it."""
    told = [cause for cause in _causes(error) if type(cause).__module__.startswith(("redis", "psycopg"))]
    lines = str(told[0] if told else error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
