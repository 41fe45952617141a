"""The order in which documents are processed; pure, so that its rules can be tested without a process.

1. First come, first served, at most so many at once.
2. A job whose worker shows its place to the user is called before it begins, and begins when the worker says that it
   writes no more: both write to the same row of the database. Until then it holds its turn.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .jobs import Job


@dataclass(eq=False)
class Entry:
    """A job in the line."""

    job: Job
    #: Why the file is to be marked as failed instead; empty: it is to be processed.
    reason: str = ""


class Line:
    """Jobs that wait, and how many have their turn."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: list[Entry] = []
        self._turns: list[Entry] = []

    def join(self, entry: Entry) -> None:
        self._waiting.append(entry)

    def join_first(self, entry: Entry) -> None:
        """What is left to do for a job that has had its turn."""
        self._waiting.insert(0, entry)

    def next(self) -> Entry | None:
        """The job whose turn has come; it counts as running from here."""
        if not self._waiting or len(self._turns) >= self._at_once:
            return None
        entry = self._waiting.pop(0)
        self._turns.append(entry)
        return entry

    def leave(self, entry: Entry) -> None:
        """Its turn is over, or nobody wants it any more."""
        for entries in (self._waiting, self._turns):
            if entry in entries:
                entries.remove(entry)

    def is_waited_in(self) -> bool:
        return bool(self._waiting)

    def places(self) -> Iterator[tuple[int, Entry]]:
        """Those that wait, counted from 1."""
        yield from enumerate(self._waiting, 1)
