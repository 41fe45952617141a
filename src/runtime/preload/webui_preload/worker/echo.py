"""Answers `webui-tune doctor` ahead of the app: how a request arrives, and whether this worker embeds and reads.

Only a request that was signed with WEBUI_SECRET_KEY a moment ago is answered; any other goes on to the app.
"""

import asyncio
import hashlib
import hmac
import json
import time

from ..asgi import App, Receive, Scope, Send
from .trial import QUESTIONS, Trials

#: contract.ts, ECHO and TRIALS: the last word of a path is the question, and is signed with it.
FOLDER = "/api/webui-tune/"
PATH = f"{FOLDER}echo"
HEADER = b"x-webui-tune-echo"

#: Seconds that a signature holds.
VALID_SECONDS = 60

#: Digits of the longest number that is read: seconds since 1970 have ten.
MOST_DIGITS = 12

#: Seconds before the first event that may be asked for (``?silence=90``): how long does the proxy wait for an answer?
MOST_SILENCE = 3600

#: Events of the answer, and the seconds between two: a proxy that passes them on as they come lets that be seen.
EVENTS, INTERVAL = 5, 0.1


class Echo:
    """ASGI middleware around ``app``; ``key`` is WEBUI_SECRET_KEY, without one nothing is answered."""

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
    """What is asked; empty where the request is not for us."""
    if scope["type"] != "http" or not scope["path"].startswith(FOLDER):
        return ""
    question: str = scope["path"].removeprefix(FOLDER)
    return question if question in ("echo", *QUESTIONS) else ""


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


async def _send_json(send: Send, answer: object) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


def _silence(scope: Scope) -> int:
    name, _, text = scope.get("query_string", b"").decode("latin-1").partition("=")
    seconds = _number(text) if name == "silence" else None
    return min(seconds or 0, MOST_SILENCE)


def _number(text: str) -> int | None:
    """A number of at most MOST_DIGITS digits: int() refuses thousands of them, and a float takes no 400."""
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
