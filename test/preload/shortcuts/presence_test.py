"""Who has a chat open, as the pages hear it from Open WebUI's own code: the same, with fewer sessions read."""

import asyncio
import importlib
import os
import tempfile
import time
import unittest
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis_server import start_redis

CHAT = "chat"
ROOM = f"chat:{CHAT}"


class PresenceTest(unittest.TestCase):
    main: Any

    def setUp(self) -> None:
        self.url = start_redis(self)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        os.environ.update(
            FROM_INIT_PY="true",
            DATA_DIR=folder.name,
            STATIC_DIR=f"{folder.name}/static",
            DATABASE_URL=f"sqlite:///{folder.name}/webui.db",
            ENABLE_DB_MIGRATIONS="false",
            WEBUI_SECRET_KEY="secret",
            WEBSOCKET_MANAGER="redis",
            WEBSOCKET_REDIS_URL=self.url,
            OFFLINE_MODE="true",
        )
        # Each test has a Redis of its own, but the import is the same.
        self.main = importlib.import_module("open_webui.socket.main")
        self.client = Redis.from_url(self.url, decode_responses=True)
        self.addCleanup(self.client.close)

    @contextmanager
    def app(self, server: Any, redis: Any, *, ours: bool) -> Iterator[Any]:
        """``open_webui.socket.main`` of one worker, as Open WebUI has it, or with the shortcut."""
        from webui_preload.shortcuts.presence import look_up_presence

        names = ("publish_chat_presence", "get_session_pool_batches")
        with mock.patch.multiple(self.main, sio=server, REDIS=redis, **{n: getattr(self.main, n) for n in names}):
            self.main.SESSION_POOL.redis = self.client
            if ours:
                look_up_presence(self.main)
                self.assertNotEqual(self.main.publish_chat_presence.__module__, self.main.__name__)
            yield self.main

    def run_with(self, check: Callable[[Any, Any, Any], Awaitable[None]], *, ours: bool = True) -> None:
        from socket_rooms import Worker

        async def run() -> None:
            async with AsyncRedis.from_url(self.url) as redis:
                here, elsewhere = Worker(self.url, False), Worker(self.url, False)
                try:
                    with self.app(here.server, redis, ours=ours) as main:
                        await check(main, here, elsewhere)
                finally:
                    for worker in (here, elsewhere):
                        await worker.end()

        self.client.flushall()
        asyncio.run(run())

    def keep(self, sid: str, user: str, *chats: str, age: float = 0) -> None:
        """As the app keeps a session (socket/main.py, chat_events)."""
        seen = int(time.time() - age)
        self.main.SESSION_POOL[sid] = {"id": user, "name": user.title(), "chat_ids": [*chats], "last_seen_at": seen}

    def scans(self) -> int:
        """How many times Redis was asked for a part of all sessions."""
        stats: Any = self.client.info("commandstats")
        return int(stats.get("cmdstat_hscan", {}).get("calls", 0))

    def test_the_pages_hear_the_same(self) -> None:
        heard: list[Any] = []
        scans: list[int] = []

        async def check(main: Any, here: Any, elsewhere: Any) -> None:
            async def open_chat(worker: Any, user: str, age: float = 0) -> tuple[Any, str]:
                page, sid = await worker.open_page(f"user:{user}")
                await worker.manager.enter_room(sid, "/", ROOM)
                self.keep(sid, user, CHAT, age=age)
                await main.publish_chat_presence(CHAT)
                return page, sid

            async def close_chat(worker: Any, sid: str) -> None:
                await worker.manager.leave_room(sid, "/", ROOM)
                del main.SESSION_POOL[sid]
                await main.publish_chat_presence(CHAT)

            async with asyncio.timeout(20):
                for number in range(300):
                    self.keep(f"other{number}", "other", "another chat")
                before = self.scans()
                first, first_sid = await open_chat(here, "ann")
                second, second_sid = await open_chat(here, "bob")
                again, again_sid = await open_chat(here, "bob")
                silent, _ = await open_chat(here, "long silent", age=1_000)
                await close_chat(here, again_sid)
                scans.append(self.scans() - before)
                _, far_sid = await open_chat(elsewhere, "cleo")
                await close_chat(here, second_sid)
                await close_chat(elsewhere, far_sid)
                await close_chat(here, first_sid)
                pages = (first, second, again, silent)
                heard.append([[event[1]["data"]["data"]["users"] for event in page.heard()] for page in pages])

        self.run_with(check, ours=False)
        self.run_with(check)
        self.assertEqual(heard[0], heard[1])
        self.assertEqual([person["id"] for person in heard[1][0][5]], ["ann", "bob", "cleo"])
        self.assertGreater(scans[0], 0)
        self.assertEqual(scans[1], 0)

    def test_the_last_one_to_leave_reads_no_session(self) -> None:
        async def check(main: Any, here: Any, elsewhere: Any) -> None:
            for number in range(300):
                self.keep(f"other{number}", "other", "another chat")
            _, sid = await here.open_page(ROOM)
            await here.manager.leave_room(sid, "/", ROOM)
            await main.publish_chat_presence(CHAT)
            self.assertEqual(self.scans(), 0)
            # Whoever asks for all sessions still gets them.
            self.assertEqual(sum(len(batch) for batch in main.get_session_pool_batches()), 300)

        self.run_with(check)

    def test_a_worker_that_does_not_listen_waits_for_nothing(self) -> None:
        async def check(main: Any, here: Any, elsewhere: Any) -> None:
            page, sid = await elsewhere.open_page(ROOM)
            self.keep(sid, "cleo", CHAT)
            with mock.patch.object(here.manager, "_wait_for_rooms", side_effect=AssertionError):
                await main.publish_chat_presence(CHAT)
            async with asyncio.timeout(10):
                while not page.packets:
                    await asyncio.sleep(0.005)

        self.run_with(check)

    def test_all_sessions_are_read_while_somebody_else_listens(self) -> None:
        async def check(main: Any, here: Any, elsewhere: Any) -> None:
            page, sid = await elsewhere.open_page(ROOM)
            self.keep(sid, "cleo", CHAT)
            await main.publish_chat_presence(CHAT)
            self.assertGreater(self.scans(), 0)
            async with asyncio.timeout(10):
                while not page.packets:
                    await asyncio.sleep(0.005)
            self.assertEqual([user["id"] for user in page.heard()[0][1]["data"]["data"]["users"]], ["cleo"])

        self.run_with(check)

    def test_all_sessions_are_read_where_redis_does_not_tell_who_listens(self) -> None:
        async def check(main: Any, here: Any, elsewhere: Any) -> None:
            page, sid = await here.open_page(ROOM)
            self.keep(sid, "ann", CHAT)
            self.client.acl_setuser("default", enabled=True, commands=["-pubsub|numsub"])
            await main.publish_chat_presence(CHAT)
            self.assertGreater(self.scans(), 0)
            self.assertEqual([user["id"] for user in page.heard()[0][1]["data"]["data"]["users"]], ["ann"])

        self.run_with(check)

    def test_another_version_is_left_alone(self) -> None:
        from webui_preload.shortcuts import known_source, presence

        told: list[str] = []
        own = self.main.publish_chat_presence
        with mock.patch.multiple(known_source, digest_of=lambda name: "another", complain=told.append):
            presence.look_up_presence(self.main)
        self.assertIs(self.main.publish_chat_presence, own)
        self.assertIn("publish_chat_presence", told[0])
