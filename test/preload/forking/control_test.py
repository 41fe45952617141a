import os
import random
import select
import socket
import struct
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

from control_server import ControlServer, fork_request
from webui_preload.contract import LONGEST_FRAME
from webui_preload.forking import control
from webui_preload.protocol import Frame, encode
from webui_preload.signals import signal_name

FRAMES = 100_000

#: Honest frames, of which the mutated ones are made.
HONEST: list[Frame] = [
    {"role": "supervisor", "instance": "0", "serving": False},
    {"role": "supervisor", "instance": "1", "serving": True},
    {"role": "channel", "worker": "4711-0", "stream": "control"},
    {"role": "channel", "worker": "4711-0", "stream": "stdout"},
    {"role": "listener"},
    fork_request("4711-0"),
    {"type": "ready", "worker": "4711-0"},
    {"type": "replaced", "worker": "4711-0"},
    {"type": "cancel", "worker": "4711-0"},
]

#: Values that a field of an honest frame is replaced by.
ODD: list[Any] = [None, True, -1, 0, 10**40, 1e308, float("nan"), "", "x" * 300, "\ud800", "a\nb\0c", [], {"a": {}}]

#: Bytes that are no frame at all, or only look like one.
RAW = [
    b"\n",
    b"\0" * 64 + b"\n",
    b"\xff\xfe{\x00}\x00\n",
    b"[" * 9000 + b"\n",
    b'{"role":' * 1500 + b"\n",
    b"x" * (LONGEST_FRAME + 1),
    b"9" * 5000 + b"\n",
    b'{"role":"supervisor"}\n',
    b'{"role":"supervisor","instance":"0"} {"type":"fork"}\n',
    b"GET / HTTP/1.1\r\n\r\n",
]


class FuzzTest(unittest.TestCase):
    def setUp(self) -> None:
        self.server = self.enterContext(ControlServer())

    def test_100_000_random_and_mutated_frames_close_their_connections_and_nothing_else(self) -> None:
        honest = self.introduce("0")
        # Its own first look at everything, so that growth below is what the frames have caused.
        self.send_all(frames_of(random.Random(0), 20_000))
        before = (self.server.open_descriptors(), self.server.memory())
        self.send_all(frames_of(random.Random(1), FRAMES))
        self.assertTrue(self.server.is_alive(), self.server.log()[-500:])
        self.until_descriptors(before[0])
        self.assertLess(self.server.memory() - before[1], 2048, "KiB")
        # The connection that was there before goes on, and gets its worker.
        self.assertEqual(self.fork(honest, "1-0"), 1)

    def test_what_comes_with_a_frame_is_closed_with_its_connection(self) -> None:
        honest = self.introduce("0")  # it has opened all that it needs
        before = self.server.open_descriptors()
        one, other = socket.socketpair()
        with open(os.devnull, "rb") as file, socket.socket() as unbound, one, other:
            for handed in (file.fileno(), unbound.fileno(), one.fileno()):
                for frame in (b'{"role":"listener"}\n', b"nonsense\n", b'{"role":"supervisor","instance":"1"}\n{}\n'):
                    with self.subTest(handed=handed, frame=frame), self.server.connect() as connection:
                        socket.send_fds(connection, [frame], [handed] * 3)
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(4096):
                            pass
        self.assertTrue(self.server.is_alive(), self.server.log()[-500:])
        self.until_descriptors(before)
        self.assertEqual(self.fork(honest, "1-0"), 1)

    def test_a_signal_without_a_name_is_said_by_its_number(self) -> None:
        self.assertEqual(signal_name(9), "SIGKILL")
        self.assertEqual(signal_name(40), "signal 40")

    def test_what_came_with_a_frame_is_no_program_s(self) -> None:
        near, far = socket.socketpair()
        with near, far, open(os.devnull, "rb") as file:
            connection = control.Connection(near)
            socket.send_fds(far, [b'{"role":"listener"}\n'], [file.fileno()])
            connection.receive()
            passed = connection.take_passed()
            self.assertFalse(os.get_inheritable(passed))
            os.close(passed)

    def test_an_over_long_line_is_refused_before_its_end(self) -> None:
        with self.server.connect() as connection:
            connection.sendall(b"x" * (LONGEST_FRAME + 1))
            self.assertEqual(connection.recv(1), b"")
        self.assertIn("a frame longer than", self.server.log())

    def test_a_name_cannot_write_a_line_of_the_log(self) -> None:
        with self.server.connect() as connection:
            connection.sendall(encode({"role": "supervisor", "instance": "0\n[preload] all is well"}))
            self.assertEqual(connection.recv(4096), b"")
        self.assertNotIn("\n[preload] all is well", self.server.log())

    def test_the_same_user_and_root_are_taken_and_nobody_else(self) -> None:
        for ours, theirs, taken in ((1000, 1000, True), (1000, 0, True), (1000, 1001, False), (0, 1000, False)):
            near, far = socket.socketpair()
            with (
                self.subTest(ours=ours, theirs=theirs),
                near,
                far,
                mock.patch.object(control, "_credentials", return_value=(4711, theirs)),
                mock.patch.object(os, "geteuid", return_value=ours),
            ):
                if taken:
                    control.Connection(near)
                else:
                    with self.assertRaisesRegex(PermissionError, f"user {theirs} "):
                        control.Connection(near)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become a stranger")
    def test_a_stranger_is_refused_though_he_can_reach_the_socket(self) -> None:
        self.assertEqual(self.server.run_folder.stat().st_mode & 0o777, 0o700)
        self.server.run_folder.parent.chmod(0o755)
        pid = os.fork()
        if not pid:
            os._exit(0 if self.cannot_connect() else 1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0, "the folder alone keeps him out")

        # Without the folder's and the socket's own protection.
        self.server.run_folder.chmod(0o755)
        self.server.path.chmod(0o666)
        pid = os.fork()
        if not pid:
            os._exit(0 if self.is_refused() else 1)
        self.assertEqual(os.waitpid(pid, 0)[1], 0, "the peer's user id does")
        self.assertTrue(self.server.is_alive())
        self.assertEqual(self.server.forks(), 0)
        self.assertIn("refused: user 65534", self.server.log())
        self.assertEqual(self.fork(self.introduce("0"), "1-0"), 1)

    # --- a stranger's part, in a process of its own ---------------------------------------------

    def cannot_connect(self) -> bool:
        os.setresuid(65534, 65534, 65534)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.connect(str(self.server.path))
            except PermissionError:
                return True
        return False

    def is_refused(self) -> bool:
        os.setresuid(65534, 65534, 65534)
        for _ in range(200):
            connections = [self.server.connect() for _ in range(4)]
            try:
                connections[0].sendall(encode(HONEST[0]) + encode(fork_request("4711-0")))
                for connection, stream in zip(connections[1:], ("control", "stdout", "stderr"), strict=True):
                    connection.sendall(encode({"role": "channel", "worker": "4711-0", "stream": stream}))
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before the last word
            for connection in connections:
                try:
                    if connection.recv(1):
                        return False
                except ConnectionResetError:
                    pass
                connection.close()
        return True

    # --- helpers --------------------------------------------------------------------------------

    def send_all(self, frames: Iterator[bytes]) -> None:
        connection = self.server.connect()
        for frame in frames:
            try:
                connection.sendall(frame)
            except (BrokenPipeError, ConnectionResetError):
                connection.close()
                connection = self.server.connect()
                connection.sendall(frame)
            # As a client that dies in the middle would.
            if len(frame) % 7 == 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
                connection = self.server.connect()
        connection.close()

    def until_descriptors(self, expected: int) -> None:
        """Every connection is closed at both ends: the server's loop has come past all of them."""
        last = self.server.connect()
        last.sendall(b"\n")
        self.assertEqual(last.recv(1), b"")
        last.close()
        self.assertLessEqual(self.server.open_descriptors(), expected)

    def introduce(self, instance: str) -> socket.socket:
        connection = self.server.connect()
        self.addCleanup(connection.close)
        connection.sendall(encode({"role": "supervisor", "instance": instance, "serving": False}))
        self.assertIn(b'"welcome"', connection.recv(4096))
        return connection

    def fork(self, supervisor: socket.socket, worker: str) -> int:
        """Asks for a worker, waits for its end, and returns how many more have been forked."""
        before = self.server.forks()
        supervisor.sendall(encode(fork_request(worker)))
        channels = [self.server.connect() for _ in range(3)]
        for channel, stream in zip(channels, ("control", "stdout", "stderr"), strict=True):
            self.addCleanup(channel.close)
            channel.sendall(encode({"role": "channel", "worker": worker, "stream": stream}))
        said = b""
        while b'"exited"' not in said:
            self.assertTrue(select.select([supervisor], [], [], 10)[0], said)
            data = supervisor.recv(4096)
            self.assertTrue(data, "the server closed the connection")
            said += data
        return self.server.forks() - before


def frames_of(source: random.Random, count: int) -> Iterator[bytes]:
    """Random bytes, honest frames with an odd field, and honest frames with bytes changed, cut or repeated."""
    for _ in range(count):
        kind = source.random()
        if kind < 0.1:
            yield source.choice(RAW)
        elif kind < 0.3:
            yield source.randbytes(source.randrange(1, 60)) + b"\n" * source.randrange(2)
        elif kind < 0.65:
            frame = dict(source.choice(HONEST))
            frame[source.choice([*frame, "extra"])] = source.choice(ODD)
            yield encode(frame)
        else:
            data = bytearray(encode(source.choice(HONEST)))
            for _ in range(source.randrange(1, 4)):
                data[source.randrange(len(data))] = source.randrange(256)
            if source.random() < 0.2:
                del data[source.randrange(len(data)) :]
            yield bytes(data) * source.choice((1, 1, 1, 2))
