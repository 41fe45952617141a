import subprocess
import sys
import unittest

HANGS = """
import threading
from webui_preload.worker import boot_limit

def start_up():
    boot_limit.came_further(0.2)
    threading.Event().wait({wait})

start_up()
boot_limit.is_over()
threading.Event().wait(0.5)
print("serves")
"""


class BootLimitTest(unittest.TestCase):
    def start(self, wait: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", HANGS.format(wait=wait)]
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    def test_ends_a_start_up_that_hangs_and_says_where(self) -> None:
        end = self.start("")
        self.assertEqual((end.returncode, end.stdout), (1, ""))
        self.assertIn("in start_up", end.stderr)

    def test_leaves_a_worker_that_serves_alone(self) -> None:
        end = self.start("0")
        self.assertEqual((end.returncode, end.stdout, end.stderr), (0, "serves\n", ""))
