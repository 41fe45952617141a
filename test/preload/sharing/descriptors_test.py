import os
import select
import socket
import tempfile
import threading
import unittest

from webui_preload.sharing.descriptors import inspect_descriptors, open_descriptors
from webui_preload.sharing.threads import unsafe_threads


class DescriptorsTest(unittest.TestCase):
    def setUp(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.before = open_descriptors()

    def test_a_connection_is_cut_in_the_child_and_whole_in_the_parent(self) -> None:
        client = socket.create_connection(self.server.getsockname())
        self.addCleanup(client.close)
        accepted, _ = self.server.accept()
        self.addCleanup(accepted.close)
        # The server's end was opened since, too; in an import there is none.
        before = self.before | {known for known in open_descriptors() if known[0] == accepted.fileno()}
        found = inspect_descriptors(before)
        self.assertEqual(list(found.connections), [client.fileno()])
        self.assertEqual(found.unsafe, [])
        pid = os.fork()
        if not pid:
            found.cut_connections()
            lost = client.recv(1) == b""
            try:
                client.send(b"from the child")
            except OSError:
                os._exit(0 if lost else 1)
            os._exit(2)
        _, status = os.waitpid(pid, 0)
        self.assertEqual(
            os.waitstatus_to_exitcode(status), 0, "the child reads the end of the stream, and cannot write"
        )
        client.sendall(b"from the parent")
        self.assertEqual(accepted.recv(100), b"from the parent", "nothing else is on the parent's connection")

    def test_what_cannot_be_renewed_forbids_the_fork(self) -> None:
        with tempfile.TemporaryFile() as file, select.epoll(), socket.create_server(("127.0.0.1", 0)):
            self.assertTrue(file)
            words = " ".join(inspect_descriptors(self.before).unsafe)
        for word in ("open for writing", "eventpoll", "AF_INET SOCK_STREAM"):
            self.assertIn(word, words)

    def test_a_number_that_is_used_again_is_a_new_descriptor(self) -> None:
        with tempfile.TemporaryFile() as former:
            number = former.fileno()
            before = open_descriptors()
        with select.epoll() as loop:
            self.assertEqual(loop.fileno(), number)
            self.assertEqual(inspect_descriptors(before).unsafe, ["an event loop of a native library (eventpoll)"])

    def test_what_two_processes_may_share_is_no_obstacle(self) -> None:
        unconnected = socket.socket()
        self.addCleanup(unconnected.close)
        with open(__file__), open(os.devnull, "w"):
            found = inspect_descriptors(self.before)
        self.assertEqual((found.unsafe, found.connections), ([], {}))


class ThreadsTest(unittest.TestCase):
    def test_a_python_thread_forbids_the_fork(self) -> None:
        self.assertEqual(unsafe_threads(), [])
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        try:
            self.assertEqual(unsafe_threads(), ["1 Python thread"])
        finally:
            stop.set()
            thread.join()
