import resource
import selectors
import socket
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from webui_preload.forking import control
from webui_preload.forking import control_accept as acceptor
from webui_preload.forking.control import Connection


class AcceptorTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = str(Path(folder.name) / "control.sock")
        self.control = control.listen(Path(self.path))
        self.selector = selectors.DefaultSelector()
        self.addCleanup(self.selector.close)
        self.taken: list[Connection] = []
        self.acceptor = acceptor.Acceptor(self.control, self.selector, self.taken.append)
        self.addCleanup(self.acceptor.close)

    def connect(self) -> None:
        client = socket.socket(socket.AF_UNIX)
        client.connect(self.path)
        self.addCleanup(client.close)

    def turn(self) -> int:
        """One turn of the loop; how much woke it."""
        ready = self.selector.select(0)
        for key, _ in ready:
            callback: Callable[[], None] = key.data
            callback()
        self.acceptor.resume()
        return len(ready)

    def test_it_takes_a_connection(self) -> None:
        self.connect()
        self.turn()
        self.assertEqual(len(self.taken), 1)
        self.assertIsNone(self.acceptor.wait())
        self.taken[0].close()

    def test_without_descriptors_it_pauses_says_so_once_and_goes_on_by_itself(self) -> None:
        self.connect()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with mock.patch.object(acceptor, "complain") as complain, mock.patch.object(acceptor, "PAUSE", 0.05):
            # Descriptors below the limit that are open stay so; no further one can be had.
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                self.assertEqual(self.turn(), 1)
                self.assertEqual([self.turn() for _ in range(100)].count(1), 0, "it does not spin")
                for _ in range(3):
                    self.selector.select(self.acceptor.wait())
                    self.acceptor.resume()
                    self.turn()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            self.assertEqual(complain.call_count, 1)
            self.assertIn("open files", complain.call_args[0][0])
            self.selector.select(self.acceptor.wait())
            self.acceptor.resume()
            self.turn()
        self.assertEqual(len(self.taken), 1)
        self.taken[0].close()
