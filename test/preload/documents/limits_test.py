import os
import resource
import signal
import time
import unittest
from pathlib import Path

from child import in_child
from webui_preload.documents import limits


class LimitsTest(unittest.TestCase):
    def test_more_memory_than_is_allowed_is_a_memory_error_until_the_limit_is_lifted(self) -> None:
        def check() -> str:
            limits.limit_memory(64)
            bytearray(32 << 20)
            try:
                bytearray(256 << 20)
                return "it was given"
            except MemoryError:
                limits.lift_memory_limit()
                return f"refused, then {len(bytearray(256 << 20)) >> 20}"

        self.assertEqual(in_child(check), "refused, then 256")

    def test_comes_after_the_workers(self) -> None:
        def check() -> str:
            limits.come_last()
            score = Path("/proc/self/oom_score_adj").read_text().strip()
            return f"{os.nice(0)} {score} {resource.getrlimit(resource.RLIMIT_CORE)[0]}"

        before = os.nice(0)
        self.assertEqual(in_child(check), f"{before + limits.NICE} {limits.OOM_SCORE} 0")

    def test_computing_for_too_long_ends_the_process(self) -> None:
        pid = os.fork()
        if not pid:
            with limits.limited_cpu(0):
                while True:
                    pass
        _, status = os.waitpid(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), -signal.SIGXCPU)

    def test_the_limit_of_computing_is_lifted_afterwards(self) -> None:
        def check() -> str:
            with limits.limited_cpu(0):
                pass
            until = time.process_time() + 1.5
            while time.process_time() < until:
                pass
            return "alive"

        self.assertEqual(in_child(check), "alive")

    def test_ends_with_its_parent(self) -> None:
        reader, writer = os.pipe()
        middle = os.fork()
        if not middle:
            os.close(reader)
            parent = os.getpid()
            if not os.fork():
                limits.end_with(parent)
                os.write(writer, b".")
                signal.pause()
            os.read(os.open("/dev/zero", os.O_RDONLY), 1)
            signal.pause()
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            self.assertEqual(pipe.read(1), b".")
            os.kill(middle, signal.SIGKILL)
            os.waitpid(middle, 0)
            self.assertEqual(pipe.read(), b"")  # the grandchild held the other end
