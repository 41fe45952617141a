"""Answers `webui-tune doctor` ahead of the app: how a request arrived, and whether this worker embeds and reads.

It answers only requests that were signed with WEBUI_SECRET_KEY a moment ago; the app gets all others.
"""

import asyncio
import hashlib
import hmac
import json
import time

from .. import contract
from ..asgi import App, Receive, Scope, Send
from .trial import Trials

HEADER = contract.Echo.HEADER.encode()

#: Path and question; the question is signed with the time.
_QUESTIONS = {contract.Echo.PATH: "echo", contract.Trials.EMBED: "embed", contract.Trials.READ: "read"}

#: Seconds for which a signature is valid, before and after its time.
VALID_SECONDS = 60

#: Digits of the longest number that is read; seconds since 1970 have ten.
MOST_DIGITS = 12

#: Longest silence before the answer, in seconds (``?silence=90``): it shows how long a proxy waits.
MOST_SILENCE = 3600

#: Events of the answer, and the seconds between two: they show whether a proxy passes each on as it comes.
EVENTS, INTERVAL = 5, 0.1


class Echo:
    """ASGI middleware around ``app``. ``key`` is WEBUI_SECRET_KEY; without it, the app gets all requests."""

    def __init__(self, app: App, key: str) -> None:
        self._app = app
        self._key = key.encode()
        self._trials = Trials()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        question = _question(scope)
        if not question or not self._is_signed(question, scope):
            await self._app(scope, receive, send)
        elif question == "echo":
            await _answer(scope, send)
        else:
            await _send_json(send, await self._trials.answer(question))

    def _is_signed(self, question: str, scope: Scope) -> bool:
        text, _, signature = _header(scope, HEADER).partition(".")
        seconds = _number(text)
        if not self._key or seconds is None or abs(time.time() - seconds) > VALID_SECONDS:
            return False
        expected = hmac.new(self._key, f"{question} {text}".encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), signature.encode())


def _question(scope: Scope) -> str:
    """The question; empty where the request is the app's."""
    return _QUESTIONS.get(scope["path"], "") if scope["type"] == "http" else ""


async def _answer(scope: Scope, send: Send) -> None:
    """Send a stream of events, as the app's chat answers are. The first event says how the request arrived."""
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


async def _send_json(send: Send, answer: object) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def _silence(scope: Scope) -> int:
    name, _, text = scope.get("query_string", b"").decode("latin-1").partition("=")
    seconds = _number(text) if name == "silence" else None
    return min(seconds or 0, MOST_SILENCE)


def _number(text: str) -> int | None:
    """A number of at most MOST_DIGITS digits; None for anything else. int() refuses thousands of them."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
