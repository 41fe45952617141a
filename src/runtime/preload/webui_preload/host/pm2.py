"""The channel to the PM2 daemon: newline-delimited JSON on the descriptor that NODE_CHANNEL_FD names."""

import signal
import socket
from collections.abc import MutableMapping

from ..kernel import end_with_parent


class Pm2Channel:
    """Says ``ready`` to PM2, and notices its end. Where PM2 did not start us, it is not open, and does nothing."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        # Taken out of the environment, because a Node program that a worker starts would use the descriptor.
        number = environ.pop("NODE_CHANNEL_FD", "")
        environ.pop("NODE_CHANNEL_SERIALIZATION_MODE", None)
        self._socket: socket.socket | None = None
        if number.isdecimal():
            try:
                self._socket = socket.socket(fileno=int(number))
            except OSError:
                return
            self._socket.setblocking(False)
            self._socket.set_inheritable(False)
            # Also when the daemon is killed: a start that waits for a service looks at no channel, and the preload
            # process of the next daemon would find the lock of the installation taken.
            end_with_parent(signal.SIGTERM)

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket else -1

    def send_ready(self) -> None:
        """Write what ``process.send('ready')`` would; PM2 waits for it (wait_ready, lib/God.js)."""
        if self._socket:
            try:
                self._socket.send(b'"ready"\n')
            except OSError:
                pass  # is_alive() will see the end of the channel

    def is_alive(self) -> bool:
        """Read what PM2 said, which needs no answer; False at the end of the channel."""
        if not self._socket:
            return False
        try:
            return bool(self._socket.recv(65536))
        except BlockingIOError:
            return True
        except OSError:
            return False

    def keep_over_exec(self, environ: MutableMapping[str, str]) -> None:
        """Hand the channel to the program that replaces this one."""
        if self._socket:
            self._socket.set_inheritable(True)
            environ["NODE_CHANNEL_FD"] = str(self._socket.fileno())

    def close(self) -> None:
        if self._socket:
            self._socket.close()
