"""The process manager around the preload process: PM2, systemd, or none (run by hand)."""

import socket
from collections.abc import MutableMapping
from typing import Protocol

from .pm2 import Pm2Channel

#: Where systemd listens for the states of a service (sd_notify(3)).
_SOCKET = "NOTIFY_SOCKET"


class Host(Protocol):
    """What it is told, and how its end is noticed."""

    @property
    def is_open(self) -> bool:
        """Whether there is a channel whose end would be its end."""

    def fileno(self) -> int:
        """Descriptor of that channel."""

    def is_alive(self) -> bool:
        """Reads what came; False at the end of the channel."""

    def send_ready(self) -> None:
        """The start is over: workers can be asked for."""

    def keep_over_exec(self, environ: MutableMapping[str, str]) -> None:
        """Hand it to the program that replaces this one."""

    def close(self) -> None:
        """For a child, which has nothing to say to it."""


def find_host(environ: MutableMapping[str, str]) -> Host:
    """The one that started this process; what it left in the environment is taken out.

    PM2's apps may have systemd's variable too, from the shell or the container that PM2 was started in.
    """
    address = environ.pop(_SOCKET, "")
    pm2 = Pm2Channel(environ)
    return Systemd(address) if address and not pm2.is_open else pm2


class Systemd:
    """Says READY=1; a stop is a signal, and systemd cannot be gone while its services run."""

    is_open = False

    def __init__(self, address: str) -> None:
        self._address = address

    def fileno(self) -> int:
        """There is no channel to watch."""
        return -1

    def is_alive(self) -> bool:
        """Always: see above."""
        return True

    def send_ready(self) -> None:
        """One datagram; a leading @ stands for an abstract socket."""
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            try:
                notify.sendto(b"READY=1\nSTATUS=forks workers\n", address)
            except OSError:
                pass  # systemd's own time limit then says that nothing was said

    def keep_over_exec(self, environ: MutableMapping[str, str]) -> None:
        """Its address."""
        environ[_SOCKET] = self._address

    def close(self) -> None:
        """Nothing is open."""
