"""Asks the app itself, without the network."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from .asgi import App, Message

Headers = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """What the app said."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""


async def ask(app: App, path: str, *, method: str = "GET", headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """The app's answer to a request from this machine, for a path with or without a query.

    Names of ``headers`` are in lower case.
    """
    answer = Answer()
    path, _, query = path.partition("?")

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")

    scope = {
        "type": "http",
        # 2.4: a client that has gone makes send() raise, so the app need not wait for it on receive().
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 0),
        "state": {},
    }
    await app(scope, receive, send)
    return answer
