"""Which worker may be forked when; pure, so that its rules can be tested without a process.

1. Until the first worker of a generation is ready, one at a time: two that start at once on an empty database
   both seed its ``config`` table, and one dies of it (UniqueViolation: config_pkey1).
2. One replacement at a time, from its fork until the worker that it replaces is gone: memory is planned for one
   worker more than there are instances.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """A supervisor's wish for a worker; ``replaces``: its instance has one that still serves."""

    worker: str
    replaces: bool


class Roster:
    """Waiting, booting and replacing workers of this generation, by their tokens."""

    def __init__(self) -> None:
        self._waiting: list[Request] = []
        self._booting: set[str] = set()
        self._replacing: str | None = None
        self._has_been_ready = False

    def request(self, request: Request) -> None:
        self._waiting.append(request)

    @property
    def has_been_ready(self) -> bool:
        """Whether a worker of this generation has served: the database is migrated and seeded."""
        return self._has_been_ready

    def next(self, can_fork: Callable[[str], bool]) -> Request | None:
        """The request that may be forked now, in the order of their coming; it counts as booting from here.

        ``can_fork`` says of a worker's token whether all is there that the fork needs.
        """
        if self._booting and not self._has_been_ready:
            return None
        for request in self._waiting:
            if (request.replaces and self._replacing) or not can_fork(request.worker):
                continue
            self._waiting.remove(request)
            self._booting.add(request.worker)
            if request.replaces:
                self._replacing = request.worker
            return request
        return None

    def ready(self, worker: str) -> None:
        if worker in self._booting:
            self._booting.discard(worker)
            self._has_been_ready = True

    def replaced(self, worker: str) -> None:
        """The worker whose place ``worker`` took has left."""
        if self._replacing == worker:
            self._replacing = None

    def gone(self, worker: str) -> None:
        """``worker`` exited, or nobody wants it any more."""
        self._waiting = [request for request in self._waiting if request.worker != worker]
        self._booting.discard(worker)
        self.replaced(worker)
