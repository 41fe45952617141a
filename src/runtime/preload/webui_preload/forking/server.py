"""The fork server: one thread, one selector, no event loop that a child would inherit."""

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from ..contract import STREAMS, Frames, Roles
from ..documents.dispatch import Dispatcher
from ..documents.helper import Task, run_helper
from ..documents.jobs import Jobs
from ..generation import Generation
from ..host.host import Host
from ..log import complain, say
from ..models.supply import ModelSupply
from ..protocol import Frame, ProtocolError, number, text
from ..settings import Settings
from ..sharing.levels import Preload
from ..signals import signal_name
from ..static.cache import StaticCache
from ..worker.capabilities import drop_capabilities
from ..worker.loads import Load, Loads
from ..worker.run import Job, run_worker
from . import tcp_port as tcp
from .control import Connection
from .control_accept import Acceptor
from .roster import Request, Roster

#: Seconds between two attempts to bind the port, while no live worker hands it over.
BIND_INTERVAL = 0.5

#: Seconds without any supervisor after which the port is closed. A restart by PM2 takes far less, and clients wait in
#: the queue meanwhile; after a stop they are to be refused.
ABANDONED_AFTER = 5.0

#: Seconds between two signs of life to the supervisors (supervisor/health.ts).
BEAT_SECONDS = 2.0

#: Seconds of the longest drain that a supervisor may ask for: a day.
LONGEST_DRAIN = 86_400


@dataclass(frozen=True)
class Prepared:
    """What the start has made ready for the fork server."""

    settings: Settings
    generation: Generation
    preload: Preload
    #: None: the app answers static files itself.
    static: StaticCache | None
    #: The listening control socket.
    control: socket.socket
    #: None: a live worker has the port, and hands it over.
    listener: socket.socket | None
    host: Host
    #: Descriptor of the installation's lock.
    lock: int
    supply: ModelSupply
    #: Called whenever a worker serves.
    on_serving: Callable[[], None]


@dataclass(frozen=True)
class _Wish:
    """A worker that a supervisor has asked for and does not have yet."""

    supervisor: Connection
    drain_seconds: float


class ForkServer:
    """Forks workers for the supervisors that ask on the control socket, and tells them how the workers ended."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._listener = prepared.listener
        self._host = prepared.host
        self._supply = prepared.supply
        #: Whether the process is to start anew, because models have come that its workers do not have.
        self.starts_anew = False
        self._selector = selectors.DefaultSelector()
        self._acceptor = Acceptor(prepared.control, self._selector, self._take)
        self._roster = Roster()
        self._loads = Loads()
        self._connections: set[Connection] = set()
        self._channels: dict[str, dict[str, Connection]] = {}
        self._wishes: dict[str, _Wish] = {}
        self._workers: dict[int, tuple[str, Connection | None, Load | None]] = {}
        self._documents = self._documents_outside()
        self._stopping = False
        self._port_missed = False
        self._abandoned_at: float | None = None
        self._beat_at = 0.0
        self._wakeup: tuple[socket.socket, ...] = ()

    def run(self) -> None:
        """Serve until PM2 says stop, or is gone. The workers live on; their supervisors end them."""
        wake, waker = self._wakeup = socket.socketpair()
        for end in self._wakeup:
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number_ in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number_, self._on_signal)
        self._watch(wake, lambda: self._drain_wakeups(wake))
        if self._host.is_open:
            self._watch(self._host, self._read_host)
        self._host.send_ready()
        self._reap()  # what ended during the import
        while not self._stopping and not self.starts_anew:
            for key, _ in self._selector.select(self._patience()):
                callback: Callable[[], None] = key.data
                callback()
            self._acceptor.resume()
            self._beat()
            self._fork_what_may()
            self._let_go_of_abandoned_port()
            self._supply.work()
            # A helper needs the database as the first worker makes it.
            if self._documents and self._roster.has_been_ready:
                self._documents.work()
            # A worker that fills an empty database must not be disturbed.
            self.starts_anew = self._supply.has_news and (self._roster.has_been_ready or not self._workers)
        if self._documents:
            self._documents.stop()

    def _patience(self) -> float | None:
        """Seconds until something is to be done without an event; None: nothing is."""
        waits = [self._acceptor.wait(), self._supply.wait()]
        if self._has_supervisor():
            waits.append(max(0.0, self._beat_at - time.monotonic()))
        if self._listener is None and self._wishes:
            waits.append(BIND_INTERVAL)
        if self._documents and self._roster.has_been_ready:
            waits.append(self._documents.wait())
        if self._abandoned_at is not None:
            waits.append(max(0.0, self._abandoned_at + ABANDONED_AFTER - time.monotonic()))
        return min((wait for wait in waits if wait is not None), default=None)

    def _beat(self) -> None:
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + BEAT_SECONDS
        for connection in list(self._connections):
            if connection.role == Roles.SUPERVISOR:
                connection.send({"type": Frames.BEAT})

    def _let_go_of_abandoned_port(self) -> None:
        if self._listener is None or not self._roster.has_been_ready or self._workers or self._has_supervisor():
            self._abandoned_at = None
        elif self._abandoned_at is None:
            self._abandoned_at = time.monotonic()
        elif time.monotonic() >= self._abandoned_at + ABANDONED_AFTER:
            self._listener.close()
            self._listener = self._abandoned_at = None

    def _documents_outside(self) -> Dispatcher | None:
        """None where no helper can be forked, and the workers process documents themselves.

        Where they are to do so by the plan, this one still takes up what an earlier start has left.
        """
        settings, preload = self._prepared.settings, self._prepared.preload
        if preload.has_app and sys.platform == "linux":
            return Dispatcher(settings.documents, Jobs(settings.run_folder), self._fork_helper)
        if settings.documents.at_once:
            where = "this system" if preload.has_app else f"the level {preload.level}"
            say(f"documents are processed in the workers: {where} has no process of its own for them")
        return None

    def _has_supervisor(self) -> bool:
        return any(connection.role == Roles.SUPERVISOR for connection in self._connections)

    # --- events ---------------------------------------------------------------------------------

    def _on_signal(self, number_: int, _frame: FrameType | None) -> None:
        if number_ != signal.SIGCHLD:
            self._stopping = True

    def _drain_wakeups(self, wake: socket.socket) -> None:
        wake.recv(4096)
        self._reap()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._on_exit(pid, status)

    def _read_host(self) -> None:
        if not self._host.is_alive():
            say("PM2 is gone: leaving; the workers are their supervisors' to end")
            self._selector.unregister(self._host)
            self._stopping = True

    def _on_exit(self, pid: int, status: int) -> None:
        if self._supply.exited(pid, status) or (self._documents and self._documents.exited(pid, status)):
            return
        worker, connection, load = self._workers.pop(pid, ("", None, None))
        if not worker:
            return  # a program that an import started
        self._loads.take_back(load)
        self._roster.gone(worker)
        code = os.waitstatus_to_exitcode(status)
        how = {"signal": signal_name(-code)} if code < 0 else {"code": code}
        if connection in self._connections and connection:
            connection.send({"type": Frames.EXITED, "worker": worker, **how})

    def _take(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._watch(connection, lambda: self._read(connection))

    def _read(self, connection: Connection) -> None:
        try:
            frames = connection.receive()
            if frames is None:
                self._drop(connection)
                return
            for frame in frames:
                self._handle(connection, frame)
                if connection not in self._connections:
                    return
        except ProtocolError as error:
            complain(f"closed the control connection of {connection.name}: {error}")
            self._drop(connection)

    # --- frames ---------------------------------------------------------------------------------

    def _handle(self, connection: Connection, frame: Frame) -> None:
        if not connection.role:
            self._introduce(connection, frame)
        elif connection.role == Roles.SUPERVISOR:
            self._handle_supervisor(connection, frame)
        elif connection.role == Roles.DOCUMENT and self._documents:
            self._documents.hear(connection, frame)
        else:
            raise ProtocolError(f"a {connection.role} has nothing to say")

    def _introduce(self, connection: Connection, frame: Frame) -> None:
        role = text(frame, "role")
        if role == Roles.SUPERVISOR:
            connection.name = f"instance {text(frame, 'instance')}"
            connection.send(
                {
                    "type": Frames.WELCOME,
                    "pid": os.getpid(),
                    "generation": self._prepared.generation.name,
                    "version": self._prepared.preload.version,
                    "level": self._prepared.preload.level,
                }
            )
            if self._listener is None and frame.get("serving") is True:
                connection.send({"type": Frames.OFFER})
        elif role == Roles.CHANNEL:
            stream = text(frame, "stream")
            if stream not in STREAMS:
                raise ProtocolError(f"there is no stream {stream!r}")
            channels = self._channels.setdefault(text(frame, "worker"), {})
            if stream in channels:
                raise ProtocolError(f"the worker has its {stream} already")
            channels[stream] = connection
        elif role == Roles.LISTENER:
            self._take_over(connection)
        elif role == Roles.DOCUMENT and self._documents:
            self._documents.attach(connection, text(frame, "job"))
        else:
            raise ProtocolError(f"there is no role {role!r}")
        connection.role = role

    def _handle_supervisor(self, connection: Connection, frame: Frame) -> None:
        kind, worker = text(frame, "type"), text(frame, "worker")
        if kind == Frames.FORK:
            wish = _Wish(connection, number(frame, "drainSeconds", 0, LONGEST_DRAIN))
            if worker in self._wishes:
                raise ProtocolError("the worker has been asked for already")
            self._wishes[worker] = wish
            self._roster.request(Request(worker, frame.get("replaces") is True))
        elif kind == Frames.READY:
            self._roster.ready(worker)
            if self._roster.has_been_ready:
                self._prepared.on_serving()
        elif kind == Frames.REPLACED:
            self._roster.replaced(worker)
        elif kind == Frames.CANCEL:
            self._cancel(worker)
        else:
            raise ProtocolError(f"there is no frame {kind!r}")

    def _take_over(self, connection: Connection) -> None:
        host, port = self._prepared.settings.host, self._prepared.settings.port
        handed = tcp.adopt(connection.take_passed())
        if handed is None:
            raise ProtocolError("what came with it is no socket that listens")
        if self._listener is None and tcp.is_at(handed, host, port):
            self._listener = handed
            say(f"took over the listening socket of port {port} from a live worker")
        else:
            handed.close()

    # --- forking --------------------------------------------------------------------------------

    def _fork_what_may(self) -> None:
        if not self._wishes or not self._have_listener():
            return
        for worker, wish in list(self._wishes.items()):
            if wish.supervisor not in self._connections:
                self._cancel(worker)
        while request := self._roster.next(self._has_channels):
            self._fork(request)

    def _has_channels(self, worker: str) -> bool:
        # Each channel is a connection of its own, which may arrive after the request.
        return len(self._channels.get(worker, {})) == len(STREAMS)

    def _have_listener(self) -> bool:
        if self._listener is None:
            try:
                self._listener = tcp.bind(self._prepared.settings.host, self._prepared.settings.port)
            except tcp.PortTaken as taken:
                if not self._port_missed:
                    say(f"waiting for the port: {taken}")
                self._port_missed = True
                return False
        return True

    def _fork(self, request: Request) -> None:
        wish = self._wishes.pop(request.worker)
        channels = self._channels.pop(request.worker)
        for channel in channels.values():
            self._selector.unregister(channel)
            self._connections.discard(channel)
        assert self._listener is not None
        load = self._loads.give()
        try:
            pid = os.fork()
        except OSError as error:
            self._loads.take_back(load)
            complain(f"cannot fork a worker: {error.strerror}. Its supervisor asks again.")
            self._roster.gone(request.worker)
            for channel in channels.values():
                channel.close()
            return
        if not pid:
            self._become(
                run_worker,
                Job(
                    generation=self._prepared.generation,
                    preload=self._prepared.preload,
                    listener=self._listener,
                    control_path=self._prepared.settings.control_socket,
                    control=channels["control"].socket,
                    stdout=channels["stdout"].socket,
                    stderr=channels["stderr"].socket,
                    drain_seconds=wish.drain_seconds,
                    static=self._prepared.static,
                    shortcuts=self._prepared.settings.shortcuts,
                    documents=self._documents is not None and self._prepared.settings.documents.at_once > 0,
                    load=load,
                    migrates=not self._roster.has_been_ready,
                ),
            )
        for channel in channels.values():
            channel.close()
        self._workers[pid] = (request.worker, wish.supervisor, load)
        wish.supervisor.send({"type": Frames.FORKED, "worker": request.worker, "pid": pid})

    def _fork_helper(self, task: Task) -> int:
        parent = os.getpid()
        pid = os.fork()
        if not pid:
            self._become(self._help, task, parent)
        return pid

    def _help(self, task: Task, parent: int) -> int:
        if self._listener:
            self._listener.close()  # it would hold the port without accepting
        drop_capabilities()
        shortcuts = self._prepared.settings.shortcuts
        return run_helper(task, self._prepared.preload, parent, shortcuts=shortcuts)

    def _become(self, run: Callable[..., int], *about: object) -> NoReturn:
        """In the child: let go of all that is the parent's, run, and never return into the parent's code."""
        code = 70  # EX_SOFTWARE: replaced unless ``run`` itself could not be called
        try:
            signal.set_wakeup_fd(-1)
            for number_ in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number_, signal.SIG_DFL)
            # Only close(): unregister() would remove the parent's connections from the epoll that both share.
            self._selector.close()
            for connection in self._connections:
                connection.socket.close()
            self._acceptor.close()
            for end in self._wakeup:
                end.close()
            self._host.close()
            self._supply.forget()
            os.close(self._prepared.lock)
            code = run(*about)
        finally:
            os._exit(code)

    # --- bookkeeping ----------------------------------------------------------------------------

    def _cancel(self, worker: str) -> None:
        if self._wishes.pop(worker, None):
            self._roster.gone(worker)
        for channel in list(self._channels.pop(worker, {}).values()):
            self._drop(channel)

    def _drop(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._selector.unregister(connection)
        connection.close()
        if connection.role == Roles.DOCUMENT and self._documents:
            self._documents.detach(connection)
        for worker, channels in list(self._channels.items()):
            for stream, channel in list(channels.items()):
                if channel is connection:
                    del channels[stream]
            if not channels:
                del self._channels[worker]
        if connection.role == Roles.SUPERVISOR:
            for worker, owner, _ in list(self._workers.values()):
                if owner is connection:
                    # Nobody will tell us how its replacement went.
                    self._roster.ready(worker)
                    self._roster.replaced(worker)

    def _watch(self, source: "socket.socket | Connection | Host", callback: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, callback)
