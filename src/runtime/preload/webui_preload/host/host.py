"""The process manager around the preload process: PM2, systemd, or none (run by hand)."""

import socket
from collections.abc import MutableMapping
from typing import Protocol

from .pm2 import Pm2Channel

#: Where systemd listens for the states of a service (sd_notify(3)).
_SOCKET = "NOTIFY_SOCKET"


class Host(Protocol):
    """What the process manager is told, and how its end is noticed."""

    @property
    def is_open(self) -> bool:
        """Whether there is a channel whose end would be its end."""

    def fileno(self) -> int:
        """Descriptor of that channel."""

    def is_alive(self) -> bool:
        """Read what has come; False at the end of the channel."""

    def send_ready(self) -> None:
        """The start is over: workers can be asked for."""

    def keep_over_exec(self, environ: MutableMapping[str, str]) -> None:
        """Pass the channel or the address on to the program that replaces this one."""

    def close(self) -> None:
        """Close it in a child, which has nothing to say there."""


def find_host(environ: MutableMapping[str, str]) -> Host:
    """The process manager that started this process. Its variables are taken out of the environment.

    PM2 counts first: its apps inherit systemd's variable where systemd started PM2.
    """
    address = environ.pop(_SOCKET, "")
    pm2 = Pm2Channel(environ)
    return Systemd(address) if address and not pm2.is_open else pm2


class Systemd:
    """Says READY=1. A stop is a signal, and systemd does not end before its services."""

    is_open = False

    def __init__(self, address: str) -> None:
        self._address = address

    def fileno(self) -> int:
        """There is no channel to watch."""
        return -1

    def is_alive(self) -> bool:
        """Always: systemd does not end before us."""
        return True

    def send_ready(self) -> None:
        """One datagram; a leading @ stands for an abstract socket."""
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            try:
                notify.sendto(b"READY=1\nSTATUS=forks workers\n", address)
            except OSError:
                pass  # systemd's own time limit then ends the start

    def keep_over_exec(self, environ: MutableMapping[str, str]) -> None:
        """Pass its address on."""
        environ[_SOCKET] = self._address

    def close(self) -> None:
        """Nothing is open."""
