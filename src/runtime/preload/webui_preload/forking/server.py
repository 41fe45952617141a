"""The fork server: one thread, one selector, no event loop that a child would inherit."""

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from ..generation import Generation
from ..host.host import Host
from ..log import complain, say
from ..models.supply import ModelSupply
from ..protocol import Frame, ProtocolError, number, text
from ..settings import Settings
from ..sharing.levels import Preload
from ..static.cache import StaticCache
from ..worker.loads import Load, Loads
from ..worker.run import Job, run_worker
from . import tcp_port as tcp
from .control import Connection
from .control_accept import Acceptor
from .roster import Request, Roster

#: Seconds between two attempts to bind a port that a live worker ought to have handed over.
BIND_INTERVAL = 0.5

#: Seconds without any supervisor after which the port is let go: a restart by PM2 takes far less, and its clients
#: wait in the queue meanwhile; after a stop they are to be refused.
ABANDONED_AFTER = 5.0

STREAMS = ("control", "stdout", "stderr")


class ForkServer:
    """Forks a worker for whoever asks on the control socket, and says how it ended."""

    def __init__(
        self,
        settings: Settings,
        generation: Generation,
        preload: Preload,
        static: StaticCache | None,
        control: socket.socket,
        listener: socket.socket | None,
        host: Host,
        lock: int,
        supply: ModelSupply,
        on_serving: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._generation = generation
        self._preload = preload
        self._static = static
        self._listener = listener
        self._host = host
        self._lock = lock
        self._supply = supply
        #: Whether the process is to start anew: there are models that its workers do not have.
        self.starts_anew = False
        self._on_serving = on_serving
        self._selector = selectors.DefaultSelector()
        self._acceptor = Acceptor(control, self._selector, self._take)
        self._roster = Roster()
        self._loads = Loads()
        self._connections: set[Connection] = set()
        self._channels: dict[str, dict[str, Connection]] = {}
        self._requests: dict[str, tuple[Connection, Frame]] = {}
        self._workers: dict[int, tuple[str, Connection | None, Load | None]] = {}
        self._stopping = False
        self._port_missed = False
        self._abandoned_at: float | None = None
        self._wakeup: tuple[socket.socket, ...] = ()

    def run(self) -> None:
        """Serve until PM2 says stop, or is gone. The workers live on: their supervisors end them."""
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
            self._fork_what_may()
            self._let_go_of_abandoned_port()
            self._supply.work()
            # A worker that fills an empty database is not to be disturbed.
            self.starts_anew = self._supply.has_news and (self._roster.has_been_ready or not self._workers)

    def _patience(self) -> float | None:
        """Seconds until something is to be done though nothing happens."""
        waits = [self._acceptor.wait(), self._supply.wait()]
        if self._listener is None and self._requests:
            waits.append(BIND_INTERVAL)
        if self._abandoned_at is not None:
            waits.append(max(0.0, self._abandoned_at + ABANDONED_AFTER - time.monotonic()))
        return min((wait for wait in waits if wait is not None), default=None)

    def _let_go_of_abandoned_port(self) -> None:
        if self._listener is None or not self._roster.has_been_ready or self._workers or self._has_supervisor():
            self._abandoned_at = None
        elif self._abandoned_at is None:
            self._abandoned_at = time.monotonic()
        elif time.monotonic() >= self._abandoned_at + ABANDONED_AFTER:
            self._listener.close()
            self._listener = self._abandoned_at = None

    def _has_supervisor(self) -> bool:
        return any(connection.role == "supervisor" for connection in self._connections)

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
        if self._supply.exited(pid, status):
            return
        worker, connection, load = self._workers.pop(pid, ("", None, None))
        if not worker:
            return  # a program that an import started
        self._loads.take_back(load)
        self._roster.gone(worker)
        code = os.waitstatus_to_exitcode(status)
        how = {"signal": signal.Signals(-code).name} if code < 0 else {"code": code}
        if connection in self._connections and connection:
            connection.send({"type": "exited", "worker": worker, "pid": pid, **how})

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
        elif connection.role == "supervisor":
            self._handle_supervisor(connection, frame)
        else:
            raise ProtocolError(f"a {connection.role} has nothing to say")

    def _introduce(self, connection: Connection, frame: Frame) -> None:
        role = text(frame, "role")
        if role == "supervisor":
            connection.name = f"instance {text(frame, 'instance')}"
            connection.send(
                {
                    "type": "welcome",
                    "generation": self._generation.name,
                    "version": self._preload.version,
                    "level": self._preload.level,
                    "reason": self._preload.reason,
                }
            )
            if self._listener is None and frame.get("serving") is True:
                connection.send({"type": "offer"})
        elif role == "channel":
            stream = text(frame, "stream")
            if stream not in STREAMS:
                raise ProtocolError(f"there is no stream {stream!r}")
            channels = self._channels.setdefault(text(frame, "worker"), {})
            if stream in channels:
                raise ProtocolError(f"the worker has its {stream} already")
            channels[stream] = connection
        elif role == "listener":
            self._take_over(connection)
        else:
            raise ProtocolError(f"there is no role {role!r}")
        connection.role = role

    def _handle_supervisor(self, connection: Connection, frame: Frame) -> None:
        kind, worker = text(frame, "type"), text(frame, "worker")
        if kind == "fork":
            number(frame, "drainSeconds", 0, 86_400)
            if worker in self._requests:
                raise ProtocolError("the worker has been asked for already")
            self._requests[worker] = (connection, frame)
            self._roster.request(Request(worker, frame.get("replaces") is True))
        elif kind == "ready":
            self._roster.ready(worker)
            if self._roster.has_been_ready:
                self._on_serving()
        elif kind == "replaced":
            self._roster.replaced(worker)
        elif kind == "cancel":
            self._cancel(worker)
        else:
            raise ProtocolError(f"there is no frame {kind!r}")

    def _take_over(self, connection: Connection) -> None:
        handed = tcp.adopt(connection.take_passed())
        if handed is None:
            raise ProtocolError("what came with it is no socket that listens")
        if self._listener is None and tcp.is_at(handed, self._settings.host, self._settings.port):
            self._listener = handed
            say(f"took over the listening socket of port {self._settings.port} from a live worker")
        else:
            handed.close()

    # --- forking --------------------------------------------------------------------------------

    def _fork_what_may(self) -> None:
        if not self._requests or not self._have_listener():
            return
        for worker, (connection, _) in list(self._requests.items()):
            if connection not in self._connections:
                self._cancel(worker)
        while request := self._roster.next(self._has_channels):
            self._fork(request)

    def _has_channels(self, worker: str) -> bool:
        # They are connections of their own, and may arrive after the request.
        return len(self._channels.get(worker, {})) == len(STREAMS)

    def _have_listener(self) -> bool:
        if self._listener is None:
            try:
                self._listener = tcp.bind(self._settings.host, self._settings.port)
            except tcp.PortTaken as taken:
                if not self._port_missed:
                    say(f"waiting for the port: {taken}")
                self._port_missed = True
                return False
        return True

    def _fork(self, request: Request) -> None:
        connection, frame = self._requests.pop(request.worker)
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
            self._become_worker(
                Job(
                    generation=self._generation,
                    preload=self._preload,
                    listener=self._listener,
                    control_path=self._settings.control_socket,
                    control=channels["control"].socket,
                    stdout=channels["stdout"].socket,
                    stderr=channels["stderr"].socket,
                    drain_seconds=number(frame, "drainSeconds", 0, 86_400),
                    static=self._static,
                    shortcuts=self._settings.shortcuts,
                    load=load,
                    migrates=not self._roster.has_been_ready,
                )
            )
        for channel in channels.values():
            channel.close()
        self._workers[pid] = (request.worker, connection, load)
        connection.send({"type": "forked", "worker": request.worker, "pid": pid})

    def _become_worker(self, job: Job) -> NoReturn:
        """In the child: let go of all that is the parent's, and never return into its code."""
        code = 70  # EX_SOFTWARE: replaced unless run_worker itself could not be called
        try:
            signal.set_wakeup_fd(-1)
            for number_ in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
                signal.signal(number_, signal.SIG_DFL)
            # close() only: to unregister would take the parent's connections out of the shared epoll.
            self._selector.close()
            for connection in self._connections:
                connection.socket.close()
            self._acceptor.close()
            for end in self._wakeup:
                end.close()
            self._host.close()
            self._supply.forget()
            os.close(self._lock)
            code = run_worker(job)
        finally:
            os._exit(code)

    # --- bookkeeping ----------------------------------------------------------------------------

    def _cancel(self, worker: str) -> None:
        if self._requests.pop(worker, None):
            self._roster.gone(worker)
        for channel in list(self._channels.pop(worker, {}).values()):
            self._drop(channel)

    def _drop(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._selector.unregister(connection)
        connection.close()
        for worker, channels in list(self._channels.items()):
            for stream, channel in list(channels.items()):
                if channel is connection:
                    del channels[stream]
            if not channels:
                del self._channels[worker]
        if connection.role == "supervisor":
            for worker, owner, _ in list(self._workers.values()):
                if owner is connection:
                    # Nobody will tell us any more how its replacement goes on.
                    self._roster.ready(worker)
                    self._roster.replaced(worker)

    def _watch(self, source: "socket.socket | Connection | Host", callback: Callable[[], None]) -> None:
        self._selector.register(source, selectors.EVENT_READ, callback)
