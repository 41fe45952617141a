"""What streams tell Redis, on a real one: events to rooms, and the text that a page finds that opens an answer."""

import asyncio
import unittest
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

from open_webui.socket.redis_room_channels import AsyncRedisRoomChannelManager
from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis_server import start_redis
from socket_rooms import Worker, until
from webui_preload.shortcuts.streams.appends import append_with
from webui_preload.shortcuts.streams.pipe import Pipe
from webui_preload.shortcuts.streams.rooms import Rooms


async def command(client: Any, *words: str) -> None:
    await client.execute_command(*words)


class RedisTest(unittest.TestCase):
    def setUp(self) -> None:
        self.url = start_redis(self)

    def run_with(self, check: Callable[[Worker, Worker, Redis], Awaitable[None]], *, ours: bool = True) -> None:
        async def run() -> None:
            async with Redis.from_url(self.url) as client:
                here, elsewhere = Worker(self.url, ours), Worker(self.url, False)
                try:
                    await check(here, elsewhere, client)
                finally:
                    for worker in (here, elsewhere):
                        await worker.end()

        asyncio.run(run())


class RoomsTest(RedisTest):
    def test_tells_the_same_as_open_webui_does(self) -> None:
        told: list[Any] = []

        async def check(here: Worker, elsewhere: Worker, client: Redis) -> None:
            pages = [await worker.open_page("user:a") for worker in (here, here, elsewhere)]
            stranger, _ = await here.open_page("user:b")
            if isinstance(here.manager, Rooms):
                await here.warm_up()
            event = {"chat_id": "c", "data": {"delta": 'a "é" 🐟 \u2028', "none": None, "number": 1.5}}
            await here.server.emit("events", event, room="user:a")
            await here.server.emit("events", {"skipped": True}, room="user:a", skip_sid=pages[0][1])
            await here.server.emit("events", {"bytes": b"\x00"}, room="user:a")
            await here.server.emit("list", ["of", "more"], room="user:a")
            await here.server.emit("words", "alone", room="user:a")
            await here.server.emit("all", {})
            await until(lambda: len(pages[2][0].packets) >= 6)
            self.assertEqual([heard[0] for heard in stranger.heard()], ["all"])
            told.append([page.heard() for page, _ in pages])

        self.run_with(check, ours=False)
        self.run_with(check)
        self.assertEqual(told[0], told[1])
        self.assertEqual(len(told[1][0]), len(told[1][1]) - 1)

    def test_tells_everybody_once_while_connections_are_lost(self) -> None:
        async def check(here: Worker, elsewhere: Worker, client: Redis) -> None:
            page, _ = await elsewhere.open_page("user:a")
            await here.warm_up()
            for number in range(30):
                if number == 10:
                    await command(client, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                    await until(lambda: not here.pipe.is_connected)
                await here.server.emit("events", {"number": number}, room="user:a")
            await until(lambda: len(page.packets) >= 30)
            self.assertEqual([heard[1]["number"] for heard in page.heard()], [*range(30)])

        with mock.patch.object(AsyncRedisRoomChannelManager, "_get_logger", return_value=mock.Mock()):
            self.run_with(check)

    def test_goes_the_long_way_where_redis_refuses(self) -> None:
        async def check(here: Worker, elsewhere: Worker, client: Redis) -> None:
            page, _ = await here.open_page("user:a")
            await here.warm_up()
            await command(client, "CONFIG", "SET", "maxmemory", "1")
            answers = [here.pipe.ask("SET", "key", "value"), here.pipe.ask("PING")]
            for answer, expected in zip(answers, ("OOM", "PONG"), strict=True):
                assert answer is not None
                try:
                    self.assertEqual(await answer, expected.encode())
                except RedisError as error:
                    self.assertIn(expected, str(error))
            self.assertIsNone(here.pipe.ask("PING"))
            await here.server.emit("events", {"number": 1}, room="user:a")
            self.assertEqual(page.heard(), [["events", {"number": 1}]])

        self.run_with(check)

    def test_ends_what_was_asked_by_somebody_who_left(self) -> None:
        async def check(here: Worker, elsewhere: Worker, client: Redis) -> None:
            await here.warm_up()
            left, stays = here.pipe.ask("ECHO", "left"), here.pipe.ask("ECHO", "stays")
            assert left is not None and stays is not None
            left.cancel()
            self.assertEqual(await stays, b"stays")

        self.run_with(check)


class AppendsTest(RedisTest):
    def test_a_page_finds_all_that_was_told_before(self) -> None:
        async def check(here: Worker, elsewhere: Worker, client: Redis) -> None:
            await here.warm_up()
            app = self.app(here.pipe)
            size = await app.save_response_stream(client, "t", b"start")
            for text in (b"one", b"two"):
                self.assertTrue(await app.append_response_stream(client, "t", text, size))
                size += len(text)
            await here.server.emit("events", {}, room="user:a")
            self.assertEqual(await client.get("stream:t"), b"startonetwo")

        self.run_with(check)

    def test_a_text_that_was_not_appended_is_told_with_the_next(self) -> None:
        async def check(here: Worker, elsewhere: Worker, client: Redis) -> None:
            await here.warm_up()
            app = self.app(here.pipe)
            size = await app.save_response_stream(client, "t", b"start")
            await client.delete("stream:t")
            self.assertTrue(await app.append_response_stream(client, "t", b"one", size))
            self.assertFalse(await app.append_response_stream(client, "t", b"two", size + 3))
            size = await app.save_response_stream(client, "t", b"startonetwo")
            self.assertTrue(await app.append_response_stream(client, "t", b"three", size))
            await app.clear_response_stream(client, "t")
            self.assertIsNone(await client.get("stream:t"))

        self.run_with(check)

    def test_without_the_pipe_it_is_appended_as_ever(self) -> None:
        async def check(here: Worker, elsewhere: Worker, client: Redis) -> None:
            app = self.app(here.pipe)
            size = await app.save_response_stream(client, "t", b"start")
            self.assertTrue(await app.append_response_stream(client, "t", b"one", size))
            self.assertEqual(await client.get("stream:t"), b"startone")

        self.run_with(check)

    def app(self, pipe: Pipe) -> Any:
        """What Open WebUI does with the text that an answer has so far (open_webui/tasks.py, 0.12.4)."""

        async def save(redis: Redis, task: str, text: bytes) -> int:
            await redis.set(f"stream:{task}", text)
            return len(text)

        async def append(redis: Any, task: str, text: bytes, size: int) -> bool:
            script = """if redis.call("STRLEN", KEYS[1]) ~= tonumber(ARGV[1]) then return 0 end
                redis.call("APPEND", KEYS[1], ARGV[2]) return 1"""
            try:
                return bool(await redis.eval(script, 1, f"stream:{task}", size, text))
            except RedisError:
                return False

        async def clear(redis: Redis, task: str) -> None:
            await redis.delete(f"stream:{task}")

        app = SimpleNamespace(append_response_stream=append, save_response_stream=save, clear_response_stream=clear)
        append_with(pipe, app)
        return app
