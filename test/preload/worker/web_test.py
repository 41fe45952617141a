import asyncio
import contextlib
import os
import resource
import socket
import time
import unittest
from collections.abc import AsyncIterator
from typing import Any
from unittest import mock

from webui_preload.asgi import Message, Receive, Scope, Send
from webui_preload.contract import DURATIONS
from webui_preload.protocol import Decoder, Frame, encode
from webui_preload.worker import descriptor_limit as admission
from webui_preload.worker import loop_lag
from webui_preload.worker.drain import WorkMeter
from webui_preload.worker.durations import Durations
from webui_preload.worker.loads import Load
from webui_preload.worker.web import Duties, WorkerServer


class App:
    """An ASGI app whose answers wait for the test."""

    def __init__(self) -> None:
        self.ready_answers = [200]
        self.go_on = asyncio.Event()
        self.started = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        if scope["type"] == "websocket":
            await self._socket(receive, send)
            return
        status = 200
        if scope["path"] == "/ready":
            status = self.ready_answers.pop(0) if len(self.ready_answers) > 1 else self.ready_answers[0]
        elif scope["path"] == "/slow":
            self.started.set()
            await self.go_on.wait()
        body = b'{"detail":"Redis not ready"}' if status == 503 else b"done"
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _socket(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "2"})
        while (await receive())["type"] != "websocket.disconnect":
            await send({"type": "websocket.send", "text": "4token"})


class Running:
    """A WorkerServer in this process, its supervisor's end of the control channel, and its address."""

    def __init__(self, app: App, drain_seconds: float = 10.0, load: Load | None = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self.listener.setblocking(False)
        self.keeper = self.listener.dup()  # as the preload process keeps one
        self.control, self.worker_end = socket.socketpair()
        self.control.setblocking(False)
        self.worker_end.setblocking(False)
        self.tasks: dict[str, Any] = {}
        self.offered = asyncio.Event()
        self.server = WorkerServer(
            app,
            Duties(
                control=self.worker_end,
                drain_seconds=drain_seconds,
                tasks=self.tasks,
                load=load,
                ready_frame={"type": "ready", "pid": 1},
                on_ready=lambda: None,
                on_offer=self.offered.set,
                on_drained=lambda: None,
                connect=self._connect,
                tokens=lambda: 7,
                database_waits=Durations(),
            ),
            backlog=16,
            ws_per_message_deflate=False,
            forwarded_allow_ips="127.0.0.1",
        )
        self.server.config.log_level = "critical"
        self.server.config.configure_logging()
        self.address = self.listener.getsockname()
        self.task = asyncio.create_task(self.server._serve([self.listener]))
        self._decoder = Decoder()
        self._frames: list[Frame] = []

    def _connect(self, path: str) -> socket.socket | None:
        """The next supervisor's end is ``next_control``; a path that does not exist leads nowhere."""
        if path != "/next":
            return None
        self.next_control, worker_end = socket.socketpair()
        for end in (self.next_control, worker_end):
            end.setblocking(False)
        return worker_end

    async def frame(self, kind: str) -> Frame:
        loop = asyncio.get_running_loop()
        while True:
            for index, frame in enumerate(self._frames):
                if frame["type"] == kind:
                    return self._frames.pop(index)
            data = await asyncio.wait_for(loop.sock_recv(self.control, 65536), 5)
            self._frames += self._decoder.feed(data)

    async def say(self, frame: Frame) -> None:
        await asyncio.get_running_loop().sock_sendall(self.control, encode(frame))

    async def until_heard(self) -> None:
        """All that has been said is acted on: an offer is, and frames are in their order."""
        await self.say({"type": "offer"})
        await asyncio.wait_for(self.offered.wait(), 5)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)


async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bytes:
    """Head and body of the answer."""
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    return head + await asyncio.wait_for(reader.readexactly(4), 5)


@contextlib.asynccontextmanager
async def running(app: App, drain_seconds: float = 10.0) -> AsyncIterator[Running]:
    run = Running(app, drain_seconds)
    try:
        yield run
    finally:
        run.server.should_exit = run.server.force_exit = True
        run.control.close()
        app.go_on.set()
        await asyncio.wait_for(run.task, 10)
        run.keeper.close()
        run.worker_end.close()


class WorkerServerTest(unittest.IsolatedAsyncioTestCase):
    async def test_it_is_ready_only_when_the_apps_own_ready_says_so(self) -> None:
        app = App()
        app.ready_answers = [503, 503, 200]
        async with running(app) as run:
            await run.frame("ready")
            self.assertEqual(app.ready_answers, [200], "it asked until the answer was yes")

    async def test_connections_beyond_the_limit_of_open_files_wait_and_none_is_cut(self) -> None:
        async with running(App()) as run:
            await run.frame("ready")
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            mine = len(os.listdir("/proc/self/fd"))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
            with (
                mock.patch.object(admission, "complain") as complain,
                mock.patch.object(admission, "say"),
                # The clients' ends are this process's too.
                mock.patch.object(admission, "SHARE", 0.2),
            ):
                resource.setrlimit(resource.RLIMIT_NOFILE, (mine + 60, hard))
                waiting = {}
                for connection in [await run.connect() for _ in range(20)]:
                    waiting[asyncio.create_task(get(*connection, "/"))] = connection
                taken = 0
                while waiting:
                    answered, _ = await asyncio.wait(waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)
                    self.assertTrue(answered, "no connection is forgotten")
                    taken = taken or len(answered)
                    for answer in answered:
                        self.assertTrue(answer.result().endswith(b"done"))
                        waiting.pop(answer)[1].close()
                complain.assert_called()
                self.assertLess(taken, 20)
            await run.say({"type": "drain"})
            await run.frame("draining")
            self.assertEqual(run.listener.fileno(), -1, "nothing may queue for a worker that leaves")
            await asyncio.wait_for(run.task, 5)

    async def test_a_drain_finishes_the_request_and_says_close(self) -> None:
        app = App()
        async with running(app) as run:
            await run.frame("ready")
            connection = await run.connect()
            answer = asyncio.create_task(get(*connection, "/slow"))
            await app.started.wait()
            await run.say({"type": "drain"})
            await run.frame("draining")
            self.assertFalse(run.task.done())
            app.go_on.set()
            head = await answer
            self.assertTrue(head.endswith(b"done"))
            self.assertIn(b"connection: close", head)
            await asyncio.wait_for(run.task, 5)

    async def test_a_request_on_its_way_over_an_idle_connection_is_answered(self) -> None:
        app = App()
        async with running(app) as run:
            await run.frame("ready")
            connection = await run.connect()
            self.assertNotIn(b"connection: close", await get(*connection, "/"))
            await run.say({"type": "drain"})
            await run.frame("draining")
            self.assertIn(b"connection: close", await get(*connection, "/"))
            await asyncio.wait_for(run.task, 5)

    async def test_an_answer_that_is_being_generated_holds_the_drain(self) -> None:
        async with running(App()) as run:
            await run.frame("ready")
            run.tasks["chat"] = asyncio.Future()
            await run.say({"type": "drain"})
            await run.frame("draining")
            await asyncio.sleep(0.3)  # several looks of the drain: nothing may happen
            self.assertFalse(run.task.done())
            run.tasks.clear()
            await asyncio.wait_for(run.task, 5)

    async def test_an_answer_that_ended_and_was_forgotten_does_not(self) -> None:
        """As Open WebUI leaves them behind that end while Redis is away."""
        async with running(App(), drain_seconds=60) as run:
            await run.frame("ready")
            ended = run.tasks["chat"] = asyncio.Future()
            ended.set_result(None)
            await run.say({"type": "drain"})
            await asyncio.wait_for(run.task, 10)

    async def test_a_drain_ends_when_its_time_is_over(self) -> None:
        async with running(App(), drain_seconds=0.2) as run:
            await run.frame("ready")
            run.tasks["chat"] = asyncio.Future()
            await run.say({"type": "drain"})
            await asyncio.wait_for(run.task, 5)

    async def test_the_end_of_the_control_channel_drains(self) -> None:
        async with running(App()) as run:
            await run.frame("ready")
            run.control.close()
            await asyncio.wait_for(run.task, 5)

    async def test_it_shows_that_its_loop_turns(self) -> None:
        async with running(App()) as run:
            await run.frame("ready")
            await run.frame("beat")
            started = time.monotonic()
            beat = await run.frame("beat")
            lag, durations = beat.pop("lag"), beat.pop("durations")
            counts = {"requests": 0, "active": 0, "sockets": 0, "generating": 0, "tokens": 7}
            self.assertEqual(beat, {"type": "beat", **counts})
            self.assertLess(time.monotonic() - started, 2.5)
            self.assertIsInstance(lag, float)
            self.assertEqual(tuple(durations), DURATIONS)

    async def test_its_beat_says_for_how_long_the_loop_stood_still(self) -> None:
        async with running(App()) as run:
            await run.frame("beat")
            time.sleep(0.3)
            frame = await run.frame("beat")
            while frame["lag"] < 200:  # the first was sent before
                frame = await run.frame("beat")
            self.assertGreaterEqual(frame["lag"], 300 - 1000 * loop_lag.INTERVAL)
            with mock.patch.object(loop_lag, "SPAN", 0):
                # What is over for longer than the span is told no more.
                self.assertLess((await run.frame("beat"))["lag"], 200)

    async def test_it_goes_over_to_the_next_supervisor(self) -> None:
        async with running(App()) as run:
            await run.frame("ready")
            await run.say({"type": "move", "path": "/next"})
            await run.frame("moved")
            former, run.control = run.control, run.next_control
            self.assertEqual(await asyncio.get_running_loop().sock_recv(former, 10), b"", "it has hung up")
            former.close()
            await run.until_heard()
            self.assertFalse(run.task.done())
            run.control.close()
            await asyncio.wait_for(run.task, 5)

    async def test_a_move_that_fails_leaves_it_with_its_supervisor(self) -> None:
        async with running(App()) as run:
            await run.frame("ready")
            await run.say({"type": "move", "path": "/nowhere"})
            await run.until_heard()
            self.assertFalse(run.task.done())

    async def test_the_listening_socket_outlives_the_worker(self) -> None:
        async with running(App()) as run:
            await run.frame("ready")
            await run.say({"type": "drain"})
            await asyncio.wait_for(run.task, 5)
            _, writer = await asyncio.wait_for(run.connect(), 5)
            writer.close()

    async def test_it_hands_over_the_listening_socket_when_it_is_asked_to(self) -> None:
        async with running(App()) as run:
            await run.frame("ready")
            self.assertFalse(run.offered.is_set())
            await run.say({"type": "offer"})
            await asyncio.wait_for(run.offered.wait(), 5)


class WorkMeterTest(unittest.IsolatedAsyncioTestCase):
    async def socket(self, *texts: str) -> tuple[WorkMeter, asyncio.Task[None], asyncio.Event]:
        sent, leave = asyncio.Event(), asyncio.Event()

        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            for text in texts:
                await send({"type": "websocket.send", "text": text})
            sent.set()
            await leave.wait()

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(_message: Message) -> None:
            pass

        meter = WorkMeter(app)
        task = asyncio.create_task(meter({"type": "websocket", "path": "/ws/socket.io/"}, receive, send))
        await sent.wait()
        return meter, task, leave

    async def test_an_open_socket_is_no_work(self) -> None:
        meter, task, leave = await self.socket("2", "3")
        self.assertEqual((meter.open_sockets, meter.streaming_sockets()), (1, 0))
        leave.set()
        await task
        self.assertEqual(meter.open_sockets, 0)

    async def test_a_socket_through_which_an_answer_streams_is(self) -> None:
        meter, task, leave = await self.socket("4token")
        self.assertEqual(meter.streaming_sockets(), 1)
        leave.set()
        await task

    async def test_a_long_poll_is_no_work(self) -> None:
        waiting, leave = asyncio.Event(), asyncio.Event()

        async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
            waiting.set()
            await leave.wait()

        async def unused(*_: Any) -> Any:
            raise AssertionError("the app does neither")

        meter = WorkMeter(app)
        for path, expected in (("/ws/socket.io/", 0), ("/api/v1/files/", 1)):
            waiting.clear()
            leave.clear()
            task = asyncio.create_task(meter({"type": "http", "path": path}, unused, unused))
            await waiting.wait()
            self.assertEqual(meter.active_requests, expected, path)
            leave.set()
            await task
