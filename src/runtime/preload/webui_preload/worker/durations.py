"""Counts how long things took, in the buckets of Prometheus' histograms."""

from bisect import bisect_left
from collections.abc import Callable
from time import perf_counter
from typing import Any

from ..contract import DURATION_BOUNDS


class Durations:
    """Durations of one kind. Threads may count at the same time."""

    def __init__(self) -> None:
        self._counts = [0] * (len(DURATION_BOUNDS) + 1)
        self._sum = 0.0

    def note(self, seconds: float) -> None:
        self._counts[bisect_left(DURATION_BOUNDS, seconds)] += 1
        self._sum += seconds

    def told(self) -> list[float]:
        """Their sum in seconds, then how many are in each bucket; the last one has no bound."""
        return [round(self._sum, 6), *self._counts]


def time_database_connections() -> Durations:
    """Measure from now on how long callers wait until SQLAlchemy gives them a connection."""
    from sqlalchemy.pool import Pool

    waits = Durations()
    connect: Callable[[Pool], Any] = Pool.connect

    def timed(self: Pool) -> Any:
        started = perf_counter()
        try:
            return connect(self)
        finally:
            # Also of those that get none within the pool's timeout.
            waits.note(perf_counter() - started)

    Pool.connect = timed  # type: ignore[method-assign]
    return waits
