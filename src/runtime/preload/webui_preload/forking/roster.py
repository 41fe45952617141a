"""Decides which worker may be forked when; pure, so that tests need no process.

1. Until the first worker of a generation is ready, one worker is forked at a time. Two workers that start together on
   an empty database both seed its ``config`` table, and one fails (UniqueViolation: config_pkey1).
2. One worker is replaced at a time, from the fork of its successor to its own end: the plan has memory for one worker
   more than there are instances.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """A supervisor asks for a worker. ``replaces``: its instance has another that still serves."""

    worker: str
    replaces: bool


class Roster:
    """The workers of this generation that wait, boot or replace another, by their names."""

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
        """The oldest request that may be forked now; its worker counts as booting from here.

        ``can_fork`` tells whether all that the fork of a worker needs is there.
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
        """The worker that ``worker`` replaced has ended."""
        if self._replacing == worker:
            self._replacing = None

    def gone(self, worker: str) -> None:
        """``worker`` ended, or is not wanted any more."""
        self._waiting = [request for request in self._waiting if request.worker != worker]
        self._booting.discard(worker)
        self.replaced(worker)
