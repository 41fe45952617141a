"""How far a command is, at most four times a second, and that it has come to its end."""

import resource
import sys
import time
from typing import Literal

from .answers import Answers
from .messages import Progress

_INTERVAL = 0.25


class Meter:
    def __init__(self, answers: Answers, step: str, total: int, unit: Literal["rows", "bytes"] = "rows") -> None:
        self._answers = answers
        self._step = step
        self._total = total
        self._unit = unit
        self._done = 0
        self._said_at = 0.0
        self.table: str | None = None

    def add(self, number: int = 1) -> None:
        self.say(self._done + number, self._total)

    def say(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        now = time.monotonic()
        if now - self._said_at < _INTERVAL and done != total:
            return
        self._said_at = now
        progress: Progress = {"step": self._step, "done": done, "total": total, "unit": self._unit}
        if self.table is not None:
            progress["table"] = self.table
        self._answers.progress(progress)


def largest_memory(who: int = resource.RUSAGE_SELF) -> int:
    """Bytes."""
    # Linux counts in KiB, macOS in bytes.
    return resource.getrusage(who).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
