"""Tells work from open connections: a worker that is to leave finishes the work, and no more."""

import time
from time import perf_counter

from ..asgi import App, Message, Receive, Scope, Send
from ..contract import REQUEST_KINDS
from .durations import Durations

#: Where Open WebUI mounts socket.io (open_webui/main.py: app.mount('/ws', ...)). Its long polls stay open for up to
#: 25 s (its ping interval). They have nothing to finish: the browser polls again, and reaches another worker.
POLLING_PATH = "/ws/socket.io"

#: Seconds without a message after which no answer is on its way over a WebSocket. Tokens come faster, unless the
#: model is overloaded. A browser that is cut off reconnects within about a second, and what is sent meanwhile does
#: not reach it.
QUIET_SECONDS = 2.0

#: Where Open WebUI answers programs, its own page included (open_webui/main.py, 0.12.4). The rest is files.
API_PATHS = ("/api/", "/openai/", "/ollama/", "/oauth/")

#: Ends of the paths at which a model answers, streamed or not (OpenAI's API and Ollama's).
MODEL_PATHS = ("/completions", "/api/chat", "/api/generate")

#: Types of answers that are sent as they come into being.
STREAM_TYPES = (b"text/event-stream", b"application/x-ndjson")


class _Socket:
    """One open WebSocket."""

    def __init__(self) -> None:
        self.last_message = 0.0


class WorkMeter:
    """Outermost ASGI middleware: counts the work in progress, and ends keep-alive connections during a drain."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._sockets: set[_Socket] = set()
        self.draining = False
        #: HTTP requests whose handler has not returned. It returns after the answer and its background tasks.
        self.active_requests = 0
        self.total_requests = 0
        #: How long they took until the end of the answer, long polls aside.
        self.durations = {kind: Durations() for kind in REQUEST_KINDS}

    @property
    def open_sockets(self) -> int:
        return len(self._sockets)

    def streaming_sockets(self) -> int:
        """WebSockets through which something was sent within QUIET_SECONDS."""
        since = time.monotonic() - QUIET_SECONDS
        return sum(1 for socket in self._sockets if socket.last_message > since)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        path: str = scope["path"]
        counts = not path.startswith(POLLING_PATH)
        kind = _kind_of(path)
        is_open = counts

        def note() -> None:
            nonlocal is_open
            is_open = False
            self.durations[kind].note(perf_counter() - started)

        async def send_noting(message: Message) -> None:
            nonlocal kind
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", ()))
                if _is_stream(headers):
                    kind = "stream"
                if self.draining:
                    # uvicorn then closes the connection after the answer. The client's next request opens a new one,
                    # which another worker accepts.
                    headers.append((b"connection", b"close"))
            await send(message)
            if is_open and message["type"] == "http.response.body" and not message.get("more_body"):
                note()

        self.total_requests += 1
        self.active_requests += counts
        try:
            await self._app(scope, receive, send_noting)
        finally:
            self.active_requests -= counts
            if is_open:
                note()  # the client left, or the app failed

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = _Socket()

        async def send_noting(message: Message) -> None:
            if message["type"] == "websocket.send" and not _is_ping(message):
                socket.last_message = time.monotonic()
            await send(message)

        self._sockets.add(socket)
        try:
            await self._app(scope, receive, send_noting)
        finally:
            self._sockets.discard(socket)


def _kind_of(path: str) -> str:
    if path.endswith(MODEL_PATHS):
        return "stream"
    return "api" if path.startswith(API_PATHS) else "page"


def _is_stream(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(STREAM_TYPES) for name, value in headers)


def _is_ping(message: Message) -> bool:
    """engine.io's packets 2 and 3 (ping, pong) are one character long."""
    return message.get("text") in ("2", "3")
