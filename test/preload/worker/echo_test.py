import asyncio
import hashlib
import hmac
import json
import time
import unittest
from unittest import mock

from webui_preload import contract
from webui_preload.asgi import Message, Receive, Scope, Send
from webui_preload.ask import Answer, ask
from webui_preload.worker import echo
from webui_preload.worker.echo import HEADER, Echo
from webui_preload.worker.trial import Trials

KEY = "a key that nobody guesses"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"the app"})


def signed(seconds: float, key: str = KEY, question: str = "echo") -> bytes:
    at = str(int(seconds))
    return f"{at}.{hmac.new(key.encode(), f'{question} {at}'.encode(), hashlib.sha256).hexdigest()}".encode()


class EchoTest(unittest.TestCase):
    def ask(self, signature: bytes, key: str = KEY) -> Answer:
        with mock.patch.object(echo, "INTERVAL", 0):
            headers = [(HEADER, signature), (b"x-forwarded-for", b"10.1.1.1")]
            return asyncio.run(ask(Echo(app, key), contract.Echo.PATH, headers=headers))

    def slept(self, query: bytes) -> float:
        """The seconds before anything of the answer is sent."""
        order: list[float | str] = []

        async def sleep(seconds: float) -> None:
            order.append(seconds)

        async def send(message: Message) -> None:
            order.append(message["type"])

        async def receive() -> Message:
            raise AssertionError("nothing of the request is read")

        headers = [(HEADER, signed(time.time()))]
        scope = {"type": "http", "path": contract.Echo.PATH, "headers": headers, "query_string": query}
        scope |= {"scheme": "http", "http_version": "1.1"}
        with mock.patch.object(asyncio, "sleep", sleep):
            asyncio.run(Echo(app, KEY)(scope, receive, send))
        self.assertEqual(order[1], "http.response.start")
        assert isinstance(order[0], (int, float))
        return order[0]

    def test_it_is_silent_for_as_long_as_it_is_asked_to(self) -> None:
        for query, seconds in (
            (b"", 0),
            (b"silence=90", 90),
            (b"silence=99999", echo.MOST_SILENCE),
            (b"silence=-1", 0),
            (b"silence=x", 0),
            (b"silence=" + b"9" * 5_000, 0),
            (b"other=5", 0),
        ):
            with self.subTest(query[:80]):
                self.assertEqual(self.slept(query), seconds)

    def test_a_signed_request_learns_how_it_arrived(self) -> None:
        answer = self.ask(signed(time.time()))
        events = [json.loads(line[6:]) for line in answer.body.decode().split("\n\n") if line]
        self.assertEqual(len(events), echo.EVENTS)
        self.assertEqual(
            events[0],
            {
                "scheme": "http",
                "host": "localhost",
                "client": "127.0.0.1",
                "forwardedFor": "10.1.1.1",
                "httpVersion": "1.1",
            },
        )
        self.assertIn((b"content-type", b"text/event-stream"), answer.headers)

    def test_any_other_goes_to_the_app(self) -> None:
        now = time.time()
        old, early = signed(now - 61), signed(now + 65)
        # More digits than a float takes, and more than int() takes.
        long = (b"9" * 400 + b".0", b"9" * 5_000 + b".0")
        wrong = (b"", b"1", b"x.y", b"\xff.\xff", signed(now, "another"), signed(now)[:-1])
        for signature in (*wrong, *long, old, early):
            with self.subTest(signature[:80]):
                self.assertEqual(self.ask(signature).body, b"the app")
        self.assertEqual(self.ask(signed(now, ""), key="").body, b"the app")

    def test_a_trial_is_signed_for_itself(self) -> None:
        async def answer(_self: Trials, question: str) -> dict[str, str]:
            return {"asked": question}

        def body(path: str, question: str) -> bytes:
            headers = [(HEADER, signed(time.time(), question=question))]
            return asyncio.run(ask(Echo(app, KEY), path, headers=headers)).body

        embed, read = contract.Trials.EMBED, contract.Trials.READ
        with mock.patch.object(Trials, "answer", answer):
            self.assertEqual(json.loads(body(embed, "embed")), {"asked": "embed"})
            self.assertEqual(json.loads(body(read, "read")), {"asked": "read"})
            # What was overheard on its way through a proxy is good for no more than it was made for.
            self.assertEqual(body(embed, "echo"), b"the app")
            self.assertEqual(body(read, "embed"), b"the app")
            self.assertEqual(body(embed.replace("embed", "other"), "other"), b"the app")
