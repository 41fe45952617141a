import ctypes
import gc
import os
import sys
import unittest
import unittest.mock
import weakref
from collections.abc import Callable
from pathlib import Path

from child import in_child
from webui_preload.sharing import heap

#: What Python 3.12 says of an object that it keeps for ever.
FOR_EVER = 0xFFFFFFFF


def own_memory() -> float:
    """MiB that no other process shares."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def grown(work: Callable[[], object]) -> float:
    """MiB that a forked child takes of its own while it does ``work``."""

    def check() -> str:
        own_memory()
        before = own_memory()
        work()
        return str(own_memory() - before)

    return float(in_child(check))


class Thing:
    text = "a constant of a class"

    def answer(self, added: int = 5_000) -> tuple[str, int]:
        return ("a constant of a function", added)


def look_at(things: list[object]) -> int:
    return sum(thing is None for thing in things)


@unittest.skipUnless(sys.version_info >= (3, 12), "skipped: this Python counts all references")
class StopCountingTest(unittest.TestCase):
    def test_what_is_there_is_not_counted_any_more(self) -> None:
        def check() -> str:
            kept = heap.stop_counting()
            code = Thing.answer.__code__
            uncounted = (Thing, Thing.answer, code, code.co_consts, code.co_consts[1], Thing.text, heap, os.environ)
            others = [one for one in uncounted if sys.getrefcount(one) != FOR_EVER]
            return f"{kept > 10_000}, {others}"

        self.assertEqual(in_child(check), "True, []")

    def test_what_comes_later_is_counted_and_freed(self) -> None:
        def check() -> str:
            heap.stop_counting()
            thing = Thing()
            gone: list[str] = []
            weakref.finalize(thing, gone.append, "gone")
            before = sys.getrefcount(thing)
            also = [thing] * 3
            more = sys.getrefcount(thing) - before
            del thing, also
            return f"{more}, {gone}"

        self.assertEqual(in_child(check), "3, ['gone']")

    def test_a_child_that_looks_at_things_copies_none_of_them(self) -> None:
        def check() -> str:
            things: list[object] = [object() for _ in range(1_000_000)]
            counted = grown(lambda: look_at(things))
            heap.settle_heap(uncounted=True)
            return f"{counted:.0f} {grown(lambda: look_at(things)):.1f}"

        counted, uncounted = in_child(check).split()
        self.assertGreater(float(counted), 14)  # 16 bytes for each of them
        self.assertLess(float(uncounted), 1)


class CountingTest(unittest.TestCase):
    def test_references_are_counted_where_it_is_not_asked_for(self) -> None:
        def check() -> str:
            heap.settle_heap(uncounted=False)
            before = sys.getrefcount(Thing)
            also = [Thing] * 3
            return f"{sys.getrefcount(Thing) - before} {len(also)} {gc.get_freeze_count() > 1000}"

        self.assertEqual(in_child(check), "3 3 True")

    def test_a_python_that_keeps_nothing_for_ever_is_left_alone(self) -> None:
        def check() -> str:
            with unittest.mock.patch.object(sys, "getrefcount", lambda _: 4_000):
                return str(heap.stop_counting())

        self.assertEqual(in_child(check), "0")


class FreeMemoryTest(unittest.TestCase):
    def test_a_child_puts_its_objects_on_pages_of_its_own(self) -> None:
        def check() -> str:
            # Holes: every second object of many goes.
            kept = [bytes(100) for _ in range(20_000)][::2]
            heap.fill_free_blocks()
            pools = {id(value) // 16384 for value in kept}
            own = [bytes(100) for _ in range(1_000)]
            inside = sum(id(value) // 16384 in pools for value in own)
            return str(inside)

        # The pool that the last of them began may count as a fresh one: a tenth of its 113 blocks may be left.
        self.assertLessEqual(int(in_child(check)), 11)

    @unittest.skipUnless(hasattr(ctypes.CDLL(None), "mallinfo2"), "skipped: this C library does not name its chunks")
    def test_what_is_larger_than_an_object_of_pythons_too(self) -> None:
        def among(fill: Callable[[], object]) -> int:
            """How many of a thousand texts come to lie between those that stay."""

            def check() -> str:
                kept = [bytes(size) for size in range(600, 6_000) for _ in range(2)][::2]
                fill()
                low, high = min(map(id, kept)), max(map(id, kept))
                own = [bytes(size) for size in range(600, 5_600, 5)]
                return str(sum(low < id(one) < high for one in own))

            return int(in_child(check))

        self.assertGreater(among(lambda: None), 900)
        self.assertLess(among(heap.fill_free_chunks), 50)
