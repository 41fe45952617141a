"""The ASGI server of one worker: uvicorn's, which here listens once the app is ready, and leaves once it is idle."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

import uvicorn

from ..asgi import App
from ..ask import ask
from ..contract import Frames
from ..log import complain, say
from ..protocol import Frame, ProtocolError, text
from . import boot_limit
from .accept_in_turn import Accepting
from .channel import SupervisorChannel
from .descriptor_limit import Admission
from .drain import WorkMeter
from .durations import Durations
from .loads import Load
from .loop_lag import LoopLag

#: Seconds between two looks at the work in progress. `open_webui.tasks.tasks` is a plain dictionary of the app, so
#: that there is nothing to wait on.
LOOK_INTERVAL = 0.05

#: Seconds between two questions to /ready: doubles from the first to the last.
FIRST_READY_DELAY, LAST_READY_DELAY = 0.05, 1.0

#: Seconds that uvicorn waits for connections to close, once a worker has drained.
CLOSE_TIMEOUT = 5


class Tasks(Protocol):
    """``open_webui.tasks.tasks``: the answers that are being generated, by id."""

    def values(self) -> "Iterable[asyncio.Task[Any]]": ...


@dataclass(frozen=True)
class Duties:
    """What a worker is given to work with, and whom it tells."""

    #: To the supervisor.
    control: socket.socket
    #: How long its answers may take to finish once it is to leave.
    drain_seconds: float
    tasks: Tasks
    #: Where the other workers see how many connections it holds; None: it accepts what comes.
    load: Load | None
    #: Said to the supervisor once the worker serves.
    ready_frame: Frame
    #: Called then; what it returns is kept.
    on_ready: Callable[[], object]
    #: The listening socket is to be handed over.
    on_offer: Callable[[], None]
    #: Called after the drain, before the app is shut down.
    on_drained: Callable[[], None]
    #: The control channel to the supervisor that listens at a path; None: it cannot be reached.
    connect: Callable[[str], socket.socket | None]
    #: Tokens of answers that this process has streamed; None: nobody counts them.
    tokens: Callable[[], int | None]
    #: How long its callers have waited for a connection to the database.
    database_waits: Durations


class _ReadyLifespan:
    """uvicorn's lifespan, whose start-up also waits for the app's own /ready."""

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

    The end of the channel means that the supervisor died: the worker drains and leaves. ``settings`` are uvicorn's.
    """

    def __init__(self, app: App, duties: Duties, **settings: Any) -> None:
        self._meter = WorkMeter(app)
        self._lag = LoopLag()
        self._app = app
        self._duties = duties
        self._durations = {**self._meter.durations, "database": duties.database_waits}
        self._leave = asyncio.Event()
        self._channel = SupervisorChannel(duties.control, self._handle, self._leave.set, self._stats)
        self._arriving: set[asyncio.Task[Any]] = set()
        #: What else must know that the worker drains.
        self.on_drain: Callable[[], None] = lambda: None
        super().__init__(uvicorn.Config(self._meter, workers=1, timeout_graceful_shutdown=CLOSE_TIMEOUT, **settings))

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
        self._channel.send(self._duties.ready_frame)
        self._watch = self._duties.on_ready()
        loop = asyncio.get_running_loop()
        self._lag.start()
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

        # A copy, which closes with the server. The worker keeps its own, to listen again and to hand over.
        listener = self._listener.dup()
        listener.listen(self.config.backlog)
        listener.setblocking(False)
        accepting: Any = Accepting(listener, create_protocol, self._held, self._arriving, self._duties.load)
        server: asyncio.Server = accepting
        return server

    def _held(self) -> int:
        """Connections of HTTP. A WebSocket does not count: it idles for hours."""
        return len(self.server_state.connections) - self._meter.open_sockets

    def _tell_load(self) -> None:
        for server in self.servers:
            accepting: Any = server
            accepting.tell()

    async def _until_ready(self) -> None:
        """Ask the app's /ready, without the network. /health would be 200 with Redis down."""
        delay, last_reason = FIRST_READY_DELAY, ""
        while not self._leave.is_set():
            boot_limit.came_further()
            answer = await ask(self._app, "/ready")
            if answer.status == 200:
                boot_limit.is_over()
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
        if kind == Frames.DRAIN:
            self._leave.set()
        elif kind == Frames.OFFER:
            self._duties.on_offer()
        elif kind == Frames.MOVE:
            if (control := self._duties.connect(text(frame, "path"))) is not None:
                self._channel.move(control)
        else:
            raise ProtocolError("a frame that is not known")

    def _stats(self) -> Frame:
        tokens = self._duties.tokens()
        return {
            "requests": self._meter.total_requests,
            "active": self._meter.active_requests,
            "sockets": self._meter.open_sockets,
            "generating": self._generating(),
            "lag": self._lag.milliseconds(),
            "durations": {kind: durations.told() for kind, durations in self._durations.items()},
            **({} if tokens is None else {"tokens": tokens}),
        }

    # --- end ------------------------------------------------------------------------------------

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM and SIGINT drain, as the supervisor's frame does. SIGINT during a drain ends it at once."""
        if self._leave.is_set() and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
        else:
            self._leave.set()

    async def _drain_when_asked(self) -> None:
        await self._leave.wait()
        started = time.monotonic()
        self.on_drain()
        self._admission.cancel()
        # The socket itself stays open: its other holders accept what is in the queue.
        for server in self.servers:
            server.close()
        self._listener.close()
        self._meter.draining = True
        self._channel.send({"type": Frames.DRAINING, **self._stats()})
        while (spent := time.monotonic() - started) < self._duties.drain_seconds:
            if not self._work() and (spent > self.config.timeout_keep_alive or not self._http_connections()):
                break
            await asyncio.sleep(LOOK_INTERVAL)
        else:
            complain(f"drain time of {self._duties.drain_seconds:g} s is over; cut off: {self._in_words()}")
        say(f"drained in {time.monotonic() - started:.1f} s")
        self._channel.send_beat()  # with the final counts
        self._duties.on_drained()
        self.should_exit = True

    def _work(self) -> int:
        return self._generating() + self._meter.active_requests + self._meter.streaming_sockets()

    def _generating(self) -> int:
        # Open WebUI leaves those in it that ended while Redis was away.
        return sum(1 for task in self._duties.tasks.values() if not task.done())

    def _http_connections(self) -> int:
        """Connections on which a client may just be sending a request.

        uvicorn closes each after timeout_keep_alive seconds without a request. To close it earlier would lose a
        request that is on its way.
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
    """``protocol``, which reports its connections as they come and go."""

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
