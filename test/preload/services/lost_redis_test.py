"""Real clients of redis-py against a server that takes connections and says nothing."""

import asyncio
import importlib
import os
import socket
import tempfile
import threading
import time
import unittest
import unittest.mock
from typing import Any

import redis
import redis.asyncio
from redis_server import start_redis
from webui_preload.services.lost_redis import fail_at_once, keep_models
from webui_preload.services.outage import REDIS, Outages

#: Seconds until a call gives up by itself.
TIMEOUT = 0.3


class LostRedis(unittest.TestCase):
    def setUp(self) -> None:
        client, asynchronous = (
            importlib.import_module("redis.client"),
            importlib.import_module("redis.asyncio.client"),
        )
        connection = importlib.import_module("redis.asyncio.connection").AbstractConnection
        for owner, name in (
            *((module.Redis, "execute_command") for module in (client, asynchronous)),
            *((module.Pipeline, "execute") for module in (client, asynchronous)),
            (connection, "send_packed_command"),
        ):
            self.addCleanup(setattr, owner, name, getattr(owner, name))
        self.said: list[str] = []
        self.outages = Outages(self.said.append)
        fail_at_once(self.outages)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.server.getsockname()[1],
            "socket_timeout": TIMEOUT,
            "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        }

    def test_the_first_call_on_the_loop_waits_and_the_others_fail_at_once(self) -> None:
        async def call() -> tuple[float, float]:
            client = redis.Redis(**self.settings)
            with client:
                first, begun = self.fails(client.get, "a"), time.monotonic()
                for _ in range(20):
                    self.fails(client.get, "a")
                pipeline = client.pipeline()
                pipeline.get("a")
                self.fails(pipeline.execute)
                return first, time.monotonic() - begun

        first, others = asyncio.run(call())
        self.assertGreaterEqual(first, TIMEOUT)
        self.assertLess(others, TIMEOUT)
        self.assertEqual(len(self.said), 1)

    def test_asynchronous_calls_too(self) -> None:
        async def call() -> float:
            asynchronous: Any = redis.asyncio.Redis
            async with asynchronous(**self.settings | {"retry": None}) as client:
                self.outages.lost(REDIS, "of another call")
                begun = time.monotonic()
                with self.assertRaises(redis.ConnectionError):
                    await client.execute_command("GET", "a")
                pipeline = client.pipeline()
                pipeline.get("a")
                with self.assertRaises(redis.ConnectionError):
                    await pipeline.execute()
                return time.monotonic() - begun

        self.assertLess(asyncio.run(call()), TIMEOUT)

    def test_a_pool_without_a_free_connection_is_no_outage(self) -> None:
        async def call() -> None:
            asynchronous: Any = redis.asyncio.Redis
            async with asynchronous(**self.settings | {"retry": None}, max_connections=1) as client:
                first = asyncio.create_task(client.get("a"))
                await asyncio.sleep(0)
                with self.assertRaisesRegex(redis.exceptions.MaxConnectionsError, "Too many connections"):
                    await client.get("b")
                self.assertEqual(self.said, [])
                with self.assertRaises(redis.TimeoutError):
                    await first

        asyncio.run(call())
        self.assertEqual(len(self.said), 1)

    def test_the_watch_in_its_thread_still_asks(self) -> None:
        self.outages.lost(REDIS, "of another call")
        taken: list[float] = []

        def ask() -> None:
            with redis.Redis(**self.settings) as client:
                taken.append(self.fails(client.ping))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        self.assertGreaterEqual(taken[0], TIMEOUT)

    def test_a_connection_that_the_kernel_gave_up_counts_as_lost(self) -> None:
        class Gone:
            def writelines(self, _lines: object) -> None:
                raise RuntimeError("unable to perform operation on <TCPTransport closed=True>; the handler is closed")

            def close(self) -> None: ...

        async def send() -> None:
            connection: Any = redis.asyncio.Connection(host="127.0.0.1", port=self.settings["port"])
            connection._writer, connection._reader = Gone(), object()
            await connection.send_packed_command([b"PING"], check_health=False)

        with self.assertRaisesRegex(redis.ConnectionError, "closed"):
            asyncio.run(send())

    def test_the_models_that_were_read_last_stay_known(self) -> None:
        """Open WebUI's own dictionary, whose server ends."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        of_test = {"WEBUI_SECRET_KEY": "of a test", "DATA_DIR": folder, "FROM_INIT_PY": "true"}
        self.enterContext(unittest.mock.patch.dict(os.environ, of_test))
        models = importlib.import_module("open_webui.socket.utils").CachedRedisDict
        self.addCleanup(setattr, models, "_refresh_cache", models._refresh_cache)
        keep_models()
        url = start_redis(self)
        known, unread = models("models", url), models("models", url)
        known.set({"a": {"name": "A"}})
        self.assertEqual(known["a"], {"name": "A"})
        known.redis.shutdown(nosave=True)
        self.assertEqual((known["a"], known.keys(), "b" in known), ({"name": "A"}, ["a"], False))
        # A worker that has read none yet says that Redis is lost, not that there are no models.
        with self.assertRaises(redis.ConnectionError):
            unread.keys()

    def fails(self, call: Any, *args: Any) -> float:
        """Seconds until the call has failed, as of a lost server."""
        begun = time.monotonic()
        with self.assertRaises((redis.ConnectionError, redis.TimeoutError)):
            call(*args)
        return time.monotonic() - begun
