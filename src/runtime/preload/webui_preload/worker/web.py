"""The ASGI server of one worker: uvicorn's, made to start when the app is ready and to leave when it is idle."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Protocol

import uvicorn

from ..asgi import App
from ..ask import ask
from ..log import complain, say
from ..protocol import Frame, ProtocolError, number, text
from .accept_in_turn import Accepting
from .channel import SupervisorChannel
from .descriptor_limit import Admission
from .drain import WorkMeter
from .loads import Load

#: Seconds between two looks at what is still going on. `open_webui.tasks.tasks` is a plain dictionary of the
#: app: there is nothing to wait on.
LOOK_INTERVAL = 0.05

#: Seconds between two questions to /ready: doubles from the first to the last.
FIRST_READY_DELAY, LAST_READY_DELAY = 0.05, 1.0

#: Seconds that uvicorn waits for connections once a drained worker closes them.
CLOSE_TIMEOUT = 5


class Tasks(Protocol):
    """``open_webui.tasks.tasks``: the answers that are being generated, by id."""

    def values(self) -> "Iterable[asyncio.Task[Any]]": ...


class _ReadyLifespan:
    """uvicorn's lifespan, whose start-up also waits until the app's own /ready says yes."""

    def __init__(self, lifespan: Any, until_ready: Callable[[], Any]) -> None:
        self._lifespan = lifespan
        self._until_ready = until_ready

    async def startup(self) -> None:
        await self._lifespan.startup()
        if not self._lifespan.should_exit:
            await self._until_ready()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lifespan, name)


class WorkerServer(uvicorn.Server):
    """Serves ``app`` on an inherited socket; talks to its supervisor on the control channel.

    To the supervisor: ``ready``, ``beat``, ``draining``, ``stats``, ``moved``. From it: ``drain``, ``offer``,
    ``stats``, ``move``. The end of the channel means that the supervisor died: drain and leave.
    """

    def __init__(
        self,
        app: App,
        tasks: Tasks,
        control: socket.socket,
        drain_seconds: float,
        ready_frame: Frame,
        on_offer: Callable[[], None],
        on_drained: Callable[[], None],
        on_ready: Callable[[], object],
        connect: Callable[[str], socket.socket | None],
        load: Load | None,
        *,
        backlog: int,
        ws_per_message_deflate: bool,
        forwarded_allow_ips: str,
    ) -> None:
        self._meter = WorkMeter(app)
        self._app = app
        self._tasks = tasks
        self._channel = SupervisorChannel(
            control, self._handle, lambda: self._begin_drain(self._drain_seconds), self._stats
        )
        self._connect = connect
        self._load = load
        self._arriving: set[asyncio.Task[Any]] = set()
        self._drain_seconds = drain_seconds
        self._ready_frame = ready_frame
        self._on_offer = on_offer
        self._on_drained = on_drained
        self._on_ready = on_ready
        self._leave = asyncio.Event()
        super().__init__(
            uvicorn.Config(
                self._meter,
                workers=1,
                backlog=backlog,
                timeout_graceful_shutdown=CLOSE_TIMEOUT,
                ws_per_message_deflate=ws_per_message_deflate,
                forwarded_allow_ips=forwarded_allow_ips,
            )
        )

    # --- start ----------------------------------------------------------------------------------

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._channel.open()
        self.lifespan = _ReadyLifespan(self.lifespan, self._until_ready)
        assert sockets
        self._listener = sockets[0]
        admission = Admission(lambda: self.servers, self.server_state.connections, self._listen)

        def connected() -> None:
            admission.connected()
            self._tell_load()

        self.config.http_protocol_class = _noticed(self.config.http_protocol_class, connected, self._tell_load)
        await super().startup([])
        self.servers.append(self._listen())
        self._channel.send(self._ready_frame)
        self._watch = self._on_ready()
        loop = asyncio.get_running_loop()
        self._admission = loop.create_task(admission.watch())
        self._own_tasks = [loop.create_task(self._drain_when_asked()), loop.create_task(self._channel.beat())]

    def _listen(self) -> asyncio.Server:
        """With protocols as uvicorn's own startup() makes them (0.54)."""

        def create_protocol() -> asyncio.Protocol:
            protocol: Any = self.config.http_protocol_class
            made: asyncio.Protocol = protocol(
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        # A socket of its own: closed with it, while the worker may listen again, and hands its own over.
        listener = self._listener.dup()
        listener.listen(self.config.backlog)
        listener.setblocking(False)
        accepting: Any = Accepting(listener, create_protocol, self._held, self._arriving, self._load)
        server: asyncio.Server = accepting
        return server

    def _held(self) -> int:
        """Connections of requests. A WebSocket idles for hours, and says nothing of the work to be done."""
        return len(self.server_state.connections) - self._meter.open_sockets

    def _tell_load(self) -> None:
        for server in self.servers:
            accepting: Any = server
            accepting.tell()

    async def _until_ready(self) -> None:
        """Ask the app's /ready, without the network: /health would be 200 with Redis down."""
        delay, last_reason = FIRST_READY_DELAY, ""
        while not self._leave.is_set():
            answer = await ask(self._app, "/ready")
            if answer.status == 200:
                return
            reason = _detail(answer.body) or f"status {answer.status}"
            if reason != last_reason:
                complain(f"not ready yet: {reason}")
                last_reason = reason
            await _wait(self._leave, delay)
            delay = min(delay * 2, LAST_READY_DELAY)
        await self.lifespan.shutdown()
        sys.exit(0)

    # --- control channel ------------------------------------------------------------------------

    def _handle(self, frame: Frame) -> None:
        kind = frame.get("type")
        if kind == "drain":
            self._begin_drain(number(frame, "seconds", 0, 86_400))
        elif kind == "offer":
            self._on_offer()
        elif kind == "move":
            if (control := self._connect(text(frame, "path"))) is not None:
                self._channel.move(control)
        elif kind == "stats":
            self._channel.send({"type": "stats", **self._stats()})
        else:
            raise ProtocolError("a frame that is not known")

    def _stats(self) -> Frame:
        return {
            "requests": self._meter.total_requests,
            "active": self._meter.active_requests,
            "sockets": self._meter.open_sockets,
            "generating": self._generating(),
        }

    # --- end ------------------------------------------------------------------------------------

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM and SIGINT drain, as the supervisor's word does; a second one means now."""
        if self._leave.is_set() and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
        else:
            self._begin_drain(self._drain_seconds)

    def _begin_drain(self, seconds: float) -> None:
        if not self._leave.is_set():
            self._drain_seconds = seconds
            self._leave.set()

    async def _drain_when_asked(self) -> None:
        await self._leave.wait()
        started = time.monotonic()
        self._admission.cancel()
        # The socket itself stays open: its other holders accept what has queued up.
        for server in self.servers:
            server.close()
        self._listener.close()
        self._meter.draining = True
        self._channel.send({"type": "draining", **self._stats()})
        while (spent := time.monotonic() - started) < self._drain_seconds:
            if not self._work() and (spent > self.config.timeout_keep_alive or not self._http_connections()):
                break
            await asyncio.sleep(LOOK_INTERVAL)
        else:
            complain(f"drain time of {self._drain_seconds:g} s is over; cut off: {self._in_words()}")
        say(f"drained in {time.monotonic() - started:.1f} s")
        self._channel.send_beat()  # the last counts are whole
        self._on_drained()
        self.should_exit = True

    def _work(self) -> int:
        return self._generating() + self._meter.active_requests + self._meter.streaming_sockets()

    def _generating(self) -> int:
        # Open WebUI forgets to take out those that ended while Redis was away.
        return sum(1 for task in self._tasks.values() if not task.done())

    def _http_connections(self) -> int:
        """Connections on which a client may be sending a request this moment.

        uvicorn closes each after timeout_keep_alive seconds without one; to do it earlier would lose the
        request that is already on its way.
        """
        sockets = self.config.ws_protocol_class
        made = self.server_state.connections
        return len(self._arriving) + sum(1 for one in made if not (sockets and type(one) is sockets))

    def _in_words(self) -> str:
        stats = self._stats()
        return (
            f"{stats['generating']} answers being generated, {stats['active']} requests, {stats['sockets']} sockets"
        )


def _noticed(protocol: Any, connected: Callable[[], None], lost: Callable[[], None]) -> Any:
    """``protocol``, whose connections are told of."""

    class Noticed(protocol):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            connected()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost()

    return Noticed


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return ""


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
