"""File descriptors that the import left open: which of them two processes must not share."""

import os
import re
import socket
import stat
from dataclasses import dataclass, field

_ANONYMOUS = re.compile(r"anon_inode:\[?(\w+)\]?")


@dataclass
class Descriptors:
    """Descriptors that the import opened. ``connections`` are cut in each child; ``unsafe`` ones forbid a fork."""

    connections: dict[int, str] = field(default_factory=dict)
    unsafe: list[str] = field(default_factory=list)

    def cut_connections(self) -> None:
        """Replace each connection by a socket whose peer has hung up. Call it in the child, right after the fork.

        Every pool drops such a connection as one that was closed while it was idle. If the connection were shared
        with the parent and other children, they would get each other's answers. If it were closed, its number could
        become another file's.
        """
        for number in self.connections:
            ours, peers = socket.socketpair()
            peers.close()
            # Not inheritable: programs that a worker starts have no use for it.
            os.dup2(ours.fileno(), number, inheritable=False)
            ours.close()


#: Number, device and inode of a descriptor. The number alone is used again after the descriptor is closed.
Open = tuple[int, int, int]


def open_descriptors() -> set[Open]:
    """This process's open descriptors (Linux: /proc/self/fd, elsewhere /dev/fd)."""
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    found = set()
    for name in os.listdir(folder):
        number = int(name)
        try:
            status = os.fstat(number)
        except OSError:
            continue  # the listing's own descriptor
        found.add((number, status.st_dev, status.st_ino))
    return found


def inspect_descriptors(before: set[Open]) -> Descriptors:
    """Sort what has been opened since ``before`` was taken."""
    found = Descriptors()
    for number, _, _ in sorted(open_descriptors() - before):
        _inspect(number, found)
    return found


def _inspect(number: int, found: Descriptors) -> None:
    mode = os.fstat(number).st_mode
    if stat.S_ISSOCK(mode):
        _inspect_socket(number, found)
    elif stat.S_ISREG(mode):
        if _writable(number):
            found.unsafe.append(f"a file open for writing ({_target(number)})")
    elif match := _ANONYMOUS.match(_target(number)):
        found.unsafe.append(f"an event loop of a native library ({match.group(1)})")
    elif stat.S_ISFIFO(mode):
        found.unsafe.append("a pipe to another thread or process")


def _inspect_socket(number: int, found: Descriptors) -> None:
    with socket.socket(fileno=os.dup(number)) as copy:
        if copy.type & socket.SOCK_STREAM and not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            try:
                peer = copy.getpeername()
            except OSError:
                return  # not connected: no peer could get mixed up
            if copy.family in (socket.AF_INET, socket.AF_INET6):
                found.connections[number] = f"{peer[0]}:{peer[1]}"
                return
            if peer:  # the path of a server's UNIX socket, such as PostgreSQL's
                found.connections[number] = str(peer)
                return
        found.unsafe.append(f"a {copy.family.name} {copy.type.name} socket that is no client's connection")


def _writable(number: int) -> bool:
    import fcntl

    return bool(fcntl.fcntl(number, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR))


def _target(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return f"descriptor {number}"
