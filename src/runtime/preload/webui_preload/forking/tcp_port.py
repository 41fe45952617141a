"""The one TCP socket that all workers of all generations accept on.

With one socket, the kernel gives each connection to a worker that asks for one, and connections in the queue outlive
any worker. A new preload process takes the socket over from a live worker, and binds the port itself only where no
worker lives. It never listens. The first worker that can answer calls listen(), so that a client is refused at once
during a boot, and does not wait in a queue that nobody serves.
"""

import errno
import os
import socket
from pathlib import Path


class PortTaken(Exception):
    """Another process has the port; the text says which, as far as this user may know."""


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises PortTaken, or OSError where this machine does not have the address."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    # Connections of an earlier server may linger in TIME_WAIT; the port is free all the same.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6 and host == "::":
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(f"port {port} on {host} is taken by {holder(port)}") from None
        raise
    return listener


def adopt(descriptor: int) -> socket.socket | None:
    """The listening socket of ``descriptor``. Where it is anything else, it is closed, and None returned."""
    try:
        handed = socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        return None
    try:
        if handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return handed
    except OSError:
        pass
    handed.close()
    return None


def is_at(listener: socket.socket, host: str, port: int) -> bool:
    """Whether ``listener`` is bound to the address that the settings name."""
    try:
        wanted = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return bool(listener.family == wanted[0] and listener.getsockname()[:2] == wanted[4][:2])
    except OSError:
        return False


def holder(port: int) -> str:
    """The process that listens on TCP ``port``, in words (Linux: /proc/net/tcp and /proc/PID/fd)."""
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) in inodes:
                    name = (process / "comm").read_text().strip()
                    return f"{name} (pid {process.name})"
        except OSError:
            continue  # it ended, or is another user's
    return "another user's process" if inodes else "another process"


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    return inodes
