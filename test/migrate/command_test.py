"""The command line: its request, its answers, its exit codes."""

import subprocess
import sys
import unittest


def ask(*words: str, request: str = "{}") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "webui_migrate", *words], input=request, capture_output=True, text=True, check=False
    )


class CommandTest(unittest.TestCase):
    def test_refuses_an_unknown_command_and_names_all(self) -> None:
        done = ask("lok")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("look|upgrade-copy|prepare|copy|verify|written-since|forget|vectors-look", done.stderr)
