"""How much each worker has to do, in memory that they all share."""

import mmap

#: Workers of one generation that can be told apart; further ones take connections as they come.
SLOTS = 256

_FREE, _IDLE = -1, -2


class Loads:
    """The preload process's: a slot for each worker, given before its fork and taken back after its end.

    Anonymous shared memory needs no lock here: each slot has one writer, and what a reader sees may be a moment old.
    """

    def __init__(self) -> None:
        self._slots = memoryview(mmap.mmap(-1, SLOTS * 4)).cast("i")
        for slot in range(SLOTS):
            self._slots[slot] = _FREE

    def give(self) -> "Load | None":
        """A slot; None where all are given."""
        for slot, count in enumerate(self._slots):
            if count == _FREE:
                self._slots[slot] = _IDLE
                return Load(self._slots, slot)
        return None

    def take_back(self, load: "Load | None") -> None:
        if load:
            self._slots[load.slot] = _FREE


class Load:
    """One worker's: the connections that it holds, while it takes further ones."""

    def __init__(self, slots: "memoryview[int]", slot: int) -> None:
        self._slots = slots
        self.slot = slot

    def tell(self, connections: int) -> None:
        # Below none, for a moment: a WebSocket whose connection is gone, and whose application has not ended yet.
        self._slots[self.slot] = max(0, connections)

    def leave(self) -> None:
        """It takes none now: nobody waits for it."""
        self._slots[self.slot] = _IDLE

    def least_of_others(self) -> int | None:
        """Connections of the one that has the fewest; None where no other worker takes any."""
        others = (count for slot, count in enumerate(self._slots) if count >= 0 and slot != self.slot)
        return min(others, default=None)
