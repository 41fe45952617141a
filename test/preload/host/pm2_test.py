import os
import signal
import subprocess
import sys
import unittest

DAEMON = """
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
environment = {**os.environ, "NODE_CHANNEL_FD": str(theirs.fileno())}
subprocess.Popen([sys.executable, "-c", sys.argv[1]], pass_fds=[theirs.fileno()], env=environment).wait()
"""

#: Never looks at its channel.
APP = """
import os, threading
from webui_preload.host.host import find_host
find_host(os.environ)
print(os.getpid(), flush=True)
threading.Event().wait()
"""


class Pm2Test(unittest.TestCase):
    @unittest.skipUnless(sys.platform == "linux", "prctl(2) is Linux's")
    def test_a_start_that_waits_ends_with_a_daemon_that_is_killed(self) -> None:
        with subprocess.Popen([sys.executable, "-c", DAEMON, APP], stdout=subprocess.PIPE) as daemon:
            assert daemon.stdout
            self.assertGreater(int(daemon.stdout.readline()), 0)
            os.kill(daemon.pid, signal.SIGKILL)
            # The app holds the other end of the pipe until it is gone.
            self.assertEqual(daemon.stdout.read(), b"")
