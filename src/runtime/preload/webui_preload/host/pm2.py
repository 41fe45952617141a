"""The channel to the PM2 daemon: newline-delimited JSON on the descriptor that NODE_CHANNEL_FD names."""

import socket
from collections.abc import MutableMapping


class Pm2Channel:
    """Says ``ready`` to PM2 and notices its end. Without PM2 (run by hand) it is not open, and does nothing."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        # Taken out of the environment: a Node program that a worker starts would use the descriptor.
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

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket else -1

    def send_ready(self) -> None:
        """What ``process.send('ready')`` writes; PM2's wait_ready waits for it (lib/God.js)."""
        if self._socket:
            try:
                self._socket.send(b'"ready"\n')
            except OSError:
                pass  # the end of the channel is seen by is_alive()

    def is_alive(self) -> bool:
        """Reads what PM2 said, to which there is nothing to answer; False at the end of the channel."""
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
