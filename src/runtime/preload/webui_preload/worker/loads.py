"""How many connections each worker holds, in memory that all workers share."""

import mmap

#: Workers of one generation that have a slot. Any more accept connections as they come.
SLOTS = 256

_FREE, _IDLE = -1, -2


class Loads:
    """The slots of all workers. The preload process gives a slot before a fork, and takes it back at a worker's end.

    The shared memory needs no lock: each slot has one writer, and readers may see a number that is a moment old.
    """

    def __init__(self) -> None:
        self._slots = memoryview(mmap.mmap(-1, SLOTS * 4)).cast("i")
        for slot in range(SLOTS):
            self._slots[slot] = _FREE

    def give(self) -> "Load | None":
        """A free slot; None where there is none."""
        for slot, count in enumerate(self._slots):
            if count == _FREE:
                self._slots[slot] = _IDLE
                return Load(self._slots, slot)
        return None

    def take_back(self, load: "Load | None") -> None:
        if load:
            self._slots[load.slot] = _FREE


class Load:
    """The slot of one worker: how many connections it holds, while it accepts more."""

    def __init__(self, slots: "memoryview[int]", slot: int) -> None:
        self._slots = slots
        self.slot = slot

    def tell(self, connections: int) -> None:
        # The count may be negative for a moment: a WebSocket's connection ends before its application does.
        self._slots[self.slot] = max(0, connections)

    def leave(self) -> None:
        """It accepts none now: no other worker has to wait for it."""
        self._slots[self.slot] = _IDLE

    def least_of_others(self) -> int | None:
        """The fewest connections that another worker holds; None where no other worker accepts any."""
        others = (count for slot, count in enumerate(self._slots) if count >= 0 and slot != self.slot)
        return min(others, default=None)
