"""Answers `webui-tune doctor` ahead of the app: what a request looks like once it has come through the proxy.

Only a request that was signed with WEBUI_SECRET_KEY a moment ago is answered; any other goes on to the app.
"""

import asyncio
import hashlib
import hmac
import json
import time

from .drain import App, Receive, Scope, Send

#: contract.ts, ECHO.
PATH = "/api/webui-tune/echo"
HEADER = b"x-webui-tune-echo"

#: Seconds that a signature holds.
VALID_SECONDS = 60

#: Seconds before the first event that may be asked for (``?silence=90``): how long does the proxy wait for an answer?
MOST_SILENCE = 3600

#: Events of the answer, and the seconds between two: a proxy that passes them on as they come lets that be seen.
EVENTS, INTERVAL = 5, 0.1


class Echo:
    """ASGI middleware around ``app``; ``key`` is WEBUI_SECRET_KEY, without one nothing is answered."""

    def __init__(self, app: App, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and self._is_signed(scope):
            await _answer(scope, send)
        else:
            await self._app(scope, receive, send)

    def _is_signed(self, scope: Scope) -> bool:
        seconds, _, signature = _header(scope, HEADER).partition(".")
        if not self._key or not seconds.isdecimal() or abs(time.time() - int(seconds)) > VALID_SECONDS:
            return False
        expected = hmac.new(self._key, f"echo {seconds}".encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature.encode())


async def _answer(scope: Scope, send: Send) -> None:
    """A stream of events, such as the app's answers are; the first says what was seen."""
    client = scope.get("client") or ("", 0)
    seen = {
        "scheme": scope["scheme"],
        "host": _header(scope, b"host"),
        "client": client[0],
        "forwardedFor": _header(scope, b"x-forwarded-for"),
        "httpVersion": scope["http_version"],
    }
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await asyncio.sleep(_silence(scope))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number in range(EVENTS):
        if number:
            await asyncio.sleep(INTERVAL)
        event = f"data: {json.dumps(seen if number == 0 else number)}\n\n"
        await send({"type": "http.response.body", "body": event.encode(), "more_body": number < EVENTS - 1})


def _silence(scope: Scope) -> int:
    name, _, seconds = scope.get("query_string", b"").decode("latin-1").partition("=")
    return min(int(seconds), MOST_SILENCE) if name == "silence" and seconds.isdecimal() else 0


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
