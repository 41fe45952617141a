import asyncio
import json
import unittest
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from unittest import mock

from aiohttp.streams import StreamReader
from webui_preload.shortcuts.streams import pace
from webui_preload.shortcuts.streams.answer import Answer
from webui_preload.shortcuts.streams.pace import Pace

#: Tokens in an event of Open WebUI's.
COUNT = 5


class Transport:
    """Hands over what it was given while it is read, as the kernel does."""

    def __init__(self) -> None:
        self.stream = StreamReader(mock.Mock(_reading_paused=False), 2**16, loop=asyncio.get_running_loop())
        self._kernel = b""
        self._is_reading = True
        self._has_ended = False
        self.reads = 0

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._hand_over()

    def send(self, text: str) -> None:
        self._kernel += b"data: %s\n\n" % json.dumps({"choices": [{"delta": {"content": text}}]}).encode()
        self._hand_over()

    def end(self) -> None:
        self._has_ended = True
        self._hand_over()

    def _hand_over(self) -> None:
        if not self._is_reading:
            return
        if self._kernel:
            self.reads += 1
            self.stream.feed_data(self._kernel)
            self._kernel = b""
        if self._has_ended:
            self.stream.feed_eof()


class AnswerTest(unittest.TestCase):
    def read(self, send: Callable[[Transport], Awaitable[None]], rate: float, marks: str | None = "") -> list[str]:
        """The texts of the lines that a worker reads which streams so many tokens a second."""
        self.texts: list[str] = []

        async def by_line(response: Any) -> AsyncGenerator[bytes, None]:
            for text in ("as", "ever"):
                yield b'data: {"choices": [{"delta": {"content": "%s"}}]}\n' % text.encode()
            yield b"data: [DONE]"

        async def run() -> None:
            self.transport = transport = Transport()
            response = mock.Mock(content=transport.stream, connection=mock.Mock(transport=transport))
            clean_up = mock.AsyncMock()
            meter = Pace()
            meter.count(int(rate), asyncio.get_running_loop().time())
            answer = Answer(response, by_line, clean_up, meter, COUNT)
            answer.marks = marks
            sending = asyncio.ensure_future(send(transport))
            try:
                async for line in answer:
                    data = json.loads(line[5:]) if line.startswith(b"data: {") else None
                    self.texts.append(data["choices"][0]["delta"]["content"] if data else line.decode())
            finally:
                self.total = meter.total - int(rate)
                await sending
                self.assertEqual(clean_up.await_count, 0 if marks is None else 1)
                self.assertTrue(transport.is_reading())

        asyncio.run(run())
        return self.texts

    def test_hands_on_each_token_at_once_while_the_worker_is_idle(self) -> None:
        async def send(transport: Transport) -> None:
            for text in "abc":
                transport.send(text)
                await asyncio.sleep(0.005)
            transport.end()

        self.assertEqual(self.read(send, rate=0), ["a", "b", "c"])

    def test_hands_on_the_first_token_at_once_and_the_next_together(self) -> None:
        async def send(transport: Transport) -> None:
            for text in "abcdefgh":
                transport.send(text)
                await asyncio.sleep(0.005)
            transport.end()

        texts = self.read(send, rate=10 * pace.BUSY)
        self.assertEqual((texts[0], "".join(texts), self.total), ("a", "abcdefgh", 8))
        self.assertLessEqual(len(texts), 4)
        self.assertLess(self.transport.reads, 8)

    def test_holds_no_token_of_a_slow_model(self) -> None:
        async def send(transport: Transport) -> None:
            for text in "abc":
                transport.send(text)
                await asyncio.sleep(2 * pace.LONGEST_HOLD)
            transport.end()

        self.assertEqual(self.read(send, rate=10 * pace.BUSY), ["a", "b", "c"])

    def test_waits_for_as_many_as_in_an_event_of_a_model_that_is_not_slow(self) -> None:
        async def send(transport: Transport) -> None:
            for number in range(11):
                transport.send(f"{number} ")
                await asyncio.sleep(0.1)
            transport.end()

        with mock.patch.object(pace, "LONGEST_HOLD", 0.25):
            texts = self.read(send, rate=100 * pace.BUSY)
        self.assertEqual("".join(texts), "".join(f"{number} " for number in range(11)))
        self.assertLessEqual(len(texts), 4)

    def test_hands_on_what_has_arrived_ahead_of_a_failure(self) -> None:
        async def send(transport: Transport) -> None:
            transport.send("a")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            transport.send("b")
            transport.stream.set_exception(ConnectionResetError("gone"))

        with self.assertRaises(ConnectionResetError):
            self.read(send, rate=10 * pace.BUSY)
        self.assertEqual(self.texts, ["a", "b"])

    def test_reads_as_open_webui_does_for_all_others(self) -> None:
        async def send(transport: Transport) -> None: ...

        self.assertEqual(self.read(send, rate=0, marks=None), ["as", "ever", "data: [DONE]"])
        self.assertEqual(self.total, 2)


class PaceTest(unittest.TestCase):
    def test_holds_longer_the_more_is_streamed_and_never_longer_than_said(self) -> None:
        meter = Pace()
        self.assertEqual(meter.hold(), 0)
        holds: list[float] = []
        for tokens in (1, 2, 4, 20):
            for step in range(50):
                meter.count(tokens, len(holds) * 5 + step / 10)
            holds.append(meter.hold())
        self.assertEqual((holds[0], holds[-1]), (0, pace.LONGEST_HOLD))
        self.assertEqual(holds, sorted(holds))

    def test_forgets_what_was_streamed_before(self) -> None:
        meter = Pace()
        meter.count(1_000, 10.0)
        self.assertEqual(meter.hold(), pace.LONGEST_HOLD)
        meter.count(1, 20.0)
        self.assertEqual(meter.hold(), 0)
