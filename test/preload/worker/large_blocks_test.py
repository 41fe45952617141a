import unittest
from pathlib import Path

from child import in_child
from webui_preload.worker.large_blocks import LARGE, give_large_blocks_back

MIB = 1024 * 1024


def private_mib() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:")) / 1024


def left_by_large_texts() -> float:
    """MiB that 30 texts of 2 MiB leave, each of which is followed by something smaller that stays."""
    del (first := [bytearray(16 * MIB)])[:]  # from here on, glibc takes less than that from the heap
    stays, before = [], private_mib()
    texts = []
    for _ in range(30):
        texts.append(bytearray(b"x") * (2 * MIB))
        stays.append(bytearray(LARGE // 4))
    del texts
    assert not first
    return private_mib() - before - len(stays) * LARGE / 4 / MIB


class LargeBlocksTest(unittest.TestCase):
    def test_leave_nothing_in_a_worker(self) -> None:
        def check() -> str:
            return f"{give_large_blocks_back()} {left_by_large_texts():.1f}"

        is_set, left = in_child(check).split()
        self.assertEqual(is_set, "True")
        self.assertLess(float(left), 5)

    def test_would_stay_in_the_heap(self) -> None:
        self.assertGreater(float(in_child(lambda: f"{left_by_large_texts():.1f}")), 40)
