"""Tells work from open connections, so that a worker that is asked to leave finishes the one and not the other."""

import time

from ..asgi import App, Message, Receive, Scope, Send

#: Where Open WebUI mounts socket.io (open_webui/main.py: app.mount('/ws', ...)). Its long polls are open for up
#: to 25 s (its ping interval) and have nothing to finish: the browser polls again, elsewhere.
POLLING_PATH = "/ws/socket.io"

#: Seconds without a message after which a WebSocket has no answer on its way. Tokens of a model that is not
#: overloaded come closer together; the browser reconnects within about a second, and what is sent
#: meanwhile would be missing from its screen.
QUIET_SECONDS = 2.0


class _Socket:
    """One open WebSocket."""

    def __init__(self) -> None:
        self.last_message = 0.0


class WorkMeter:
    """ASGI middleware, outermost: counts what is in progress, and turns keep-alive off while draining."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._sockets: set[_Socket] = set()
        self.draining = False
        #: HTTP requests whose handler has not returned: the answer, and the background tasks after it.
        self.active_requests = 0
        self.total_requests = 0

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
        async def send_closing(message: Message) -> None:
            if self.draining and message["type"] == "http.response.start":
                # uvicorn closes the connection after an answer that says so; the client's next request
                # opens a new one, which another worker accepts.
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        self.total_requests += 1
        counts = not scope["path"].startswith(POLLING_PATH)
        self.active_requests += counts
        try:
            await self._app(scope, receive, send_closing)
        finally:
            self.active_requests -= counts

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


def _is_ping(message: Message) -> bool:
    """engine.io's packets 2 and 3 (ping, pong) are one character long."""
    return message.get("text") in ("2", "3")
