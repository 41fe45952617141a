"""The control socket and its connections. Of each, the user at the other end is checked."""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from ..contract import LONGEST_FRAME
from ..protocol import Decoder, Frame, ProtocolError, encode

#: Connections that can wait while the app is imported: far more than a machine has workers.
BACKLOG = 256


def listen(path: Path) -> socket.socket:
    """Listen at ``path``, and replace a stale socket there.

    The caller holds the installation's lock, so that a socket at ``path`` has no living owner.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(previous)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


class Connection:
    """An accepted connection. Its first frame says what it is for: its role."""

    def __init__(self, peer: socket.socket) -> None:
        peer.setblocking(False)
        self.socket = peer
        self.peer_pid, uid = _credentials(peer)
        if uid not in (0, os.geteuid()):
            raise PermissionError(f"user {uid} (pid {self.peer_pid}) connected to the control socket")
        self.role = ""
        self.name = f"pid {self.peer_pid}"
        self.passed: list[int] = []
        self._decoder = Decoder()

    def fileno(self) -> int:
        return self.socket.fileno()

    def receive(self) -> Iterator[Frame] | None:
        """Frames that have arrived; None at the end of the stream. Raises ProtocolError."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.socket, LONGEST_FRAME, 1)
        except BlockingIOError:
            return iter(())
        except OSError:
            return None
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)  # recv_fds leaves them to every program that a worker starts
        self.passed += descriptors
        if len(self.passed) > 1:
            raise ProtocolError("more than one descriptor came with it")
        return self._decoder.feed(data) if data else None

    def send(self, frame: Frame) -> bool:
        """False where the peer has gone or does not read; the end of its stream will follow."""
        try:
            data = encode(frame)
            return self.socket.send(data) == len(data)
        except OSError:
            return False

    def take_passed(self) -> int:
        """The descriptor that came with a frame. Raises ProtocolError where there is none."""
        if not self.passed:
            raise ProtocolError("no descriptor came with it")
        return self.passed.pop()

    def close(self) -> None:
        for descriptor in self.passed:
            os.close(descriptor)
        self.passed.clear()
        self.socket.close()


def _credentials(peer: socket.socket) -> tuple[int, int]:
    """Pid and uid of the other end, from the kernel."""
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return pid, uid
