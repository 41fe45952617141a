"""How long tokens may wait for each other: not at all while the worker is idle, 50 ms while it streams much."""

import math

#: Seconds that a token waits at most.
LONGEST_HOLD = 0.05

#: Tokens a second of a worker: up to here it is idle, from there on it is busy. At 0.45 ms of CPU a token, which is
#: what Open WebUI takes, that is 2 % and 9 % of a core.
IDLE, BUSY = 50.0, 200.0

#: Seconds over which tokens are counted.
_SPAN = 1.0


class Pace:
    """Tokens a second that a process streams, of all its answers."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._counted_at = -math.inf
        #: Tokens since its start, also of answers that are read line by line.
        self.total = 0

    def count(self, tokens: int, now: float) -> None:
        self.total += tokens
        self._rate = self._rate * math.exp((self._counted_at - now) / _SPAN) + tokens / _SPAN
        self._counted_at = now

    def hold(self) -> float:
        """Seconds that have to pass between two lines of an answer."""
        share = (self._rate - IDLE) / (BUSY - IDLE)
        return LONGEST_HOLD * min(max(share, 0.0), 1.0)


_own: Pace | None = None


def make_pace() -> Pace:
    """That of this process."""
    global _own
    _own = Pace()
    return _own


def streamed_tokens() -> int | None:
    """Tokens of chats that this process has streamed; None where nobody counts them."""
    return None if _own is None else _own.total
