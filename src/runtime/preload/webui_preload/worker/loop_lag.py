"""Measures how long the event loop stands still, by a timer of its own."""

import asyncio
from collections import deque

#: Seconds between two looks. A standstill is measured as up to so much shorter than it was. A look wakes an idle
#: process, which takes up to 90 µs of CPU on a busy machine: with 20 a second, at most 2 ms a second.
INTERVAL = 0.05

#: Seconds for which a standstill is told: Prometheus usually asks every 15, and should miss none.
SPAN = 15


class LoopLag:
    """The longest time by which a timer came late in the last SPAN seconds."""

    def __init__(self) -> None:
        #: For each second in which something was measured, the longest; the newest is last.
        self._longest: deque[tuple[int, float]] = deque(maxlen=SPAN)

    def start(self) -> None:
        """Measure until the loop ends. Call it on the event loop."""
        loop = asyncio.get_running_loop()
        due = loop.time() + INTERVAL

        def look() -> None:
            nonlocal due
            now = loop.time()
            self._note(now, now - due)
            due = now + INTERVAL
            loop.call_at(due, look)

        loop.call_at(due, look)

    def milliseconds(self) -> float:
        oldest = asyncio.get_running_loop().time() - SPAN
        return round(max((late for second, late in self._longest if second >= oldest), default=0.0) * 1000, 1)

    def _note(self, now: float, late: float) -> None:
        second = int(now)
        if not self._longest or self._longest[-1][0] != second:
            self._longest.append((second, late))
        elif late > self._longest[-1][1]:
            self._longest[-1] = (second, late)
