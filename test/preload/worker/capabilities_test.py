import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import webui_preload

#: Says its capabilities, as the kernel shows them: before, and after it has dropped them.
_PROGRAM = """
import re
from webui_preload.worker.capabilities import drop_capabilities

def shown():
    return re.findall("^Cap(?:Prm|Eff|Amb):\\t(.*)$", open("/proc/self/status").read(), re.MULTILINE)

print(*shown())
drop_capabilities()
print(*shown())
"""

_NOBODY = "65534"


@unittest.skipUnless(sys.platform == "linux" and os.geteuid() == 0, "only root can lend a capability")
@unittest.skipUnless(shutil.which("setpriv"), "setpriv is missing (util-linux)")
class DropCapabilitiesTest(unittest.TestCase):
    def run_as(self, *options: str) -> list[list[int]]:
        # Nobody may not enter our folder: the module's text goes along.
        module = (Path(webui_preload.__file__).parent / "worker" / "capabilities.py").read_text()
        program = _PROGRAM.replace("from webui_preload.worker.capabilities import drop_capabilities", module)
        command = ["setpriv", *options, "/usr/bin/env", "python3", "-c", program]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        return [[int(number, 16) for number in line.split()] for line in answer.stdout.splitlines()]

    def test_a_worker_has_none_of_what_its_parent_was_lent(self) -> None:
        lent = ["--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service"]
        user = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
        before, after = self.run_as(*user, *lent)
        self.assertTrue(all(before), before)
        self.assertEqual(after, [0, 0, 0])

    def test_root_keeps_its_own(self) -> None:
        before, after = self.run_as()
        self.assertEqual(before, after)
        self.assertTrue(after[0])
