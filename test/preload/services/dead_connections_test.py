"""What the drivers are told, by their own connections and engines."""

import asyncio
import errno
import importlib
import math
import unittest
from typing import Any

import redis
import redis.asyncio
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine
from webui_preload.services.dead_connections import notice_dead_connections


class Seen(Exception):
    """Instead of a connection."""


def see(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
    raise Seen(parameters)


class DeadConnections(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        for module in ("redis.connection", "redis.asyncio.connection"):
            owner: Any = importlib.import_module(module).Connection
            cls.addClassCleanup(setattr, owner, "__init__", owner.__init__)
        parsers = importlib.import_module("redis._parsers")
        for parser in (parsers._AsyncHiredisParser, parsers._AsyncRESP2Parser, parsers._AsyncRESP3Parser):
            cls.addClassCleanup(setattr, parser, "read_response", parser.read_response)
        notice_dead_connections()
        event.listen(Engine, "do_connect", see)
        cls.addClassCleanup(event.remove, Engine, "do_connect", see)

    def told(self, url: str) -> dict[str, Any]:
        with self.assertRaises(Seen) as caught:
            create_engine(url).connect()
        parameters: dict[str, Any] = caught.exception.args[0]
        return parameters

    def test_each_driver_of_postgresql(self) -> None:
        for driver in ("psycopg", "psycopg2"):
            told = self.told(f"postgresql+{driver}://user@127.0.0.1/name")
            self.assertEqual(
                (told["tcp_user_timeout"], told["keepalives_idle"], told["connect_timeout"]), (10_000, 5, 10)
            )

    def test_what_the_address_says_wins(self) -> None:
        told = self.told("postgresql+psycopg://user@127.0.0.1/name?tcp_user_timeout=77&connect_timeout=8")
        self.assertEqual((int(told["tcp_user_timeout"]), int(told["connect_timeout"])), (77, 8))

    def test_sqlite_has_no_connection_to_lose(self) -> None:
        self.assertNotIn("tcp_user_timeout", self.told("sqlite://"))

    def test_redis(self) -> None:
        for connection in (redis.Connection, redis.asyncio.Connection, redis.SSLConnection):
            made: Any = connection(host="127.0.0.1")
            self.assertTrue(made.socket_keepalive)
            self.assertIn(10_000, made.socket_keepalive_options.values())
        connection_of: Any = redis.Connection
        mine = connection_of(host="127.0.0.1", socket_keepalive=False, socket_keepalive_options={})
        self.assertEqual((mine.socket_keepalive, mine.socket_keepalive_options), (False, {}))

    def test_a_subscriber_hears_that_the_kernel_gave_its_connection_up(self) -> None:
        async def read(error: Exception) -> object:
            connection: Any = redis.asyncio.Connection(host="127.0.0.1")
            connection._reader = asyncio.StreamReader()
            connection._parser.on_connect(connection)
            connection._reader.set_exception(error)
            # As PubSub.listen() calls it.
            return await connection.read_response(timeout=math.inf, disconnect_on_error=False, push_request=True)

        with self.assertRaisesRegex(redis.ConnectionError, "timed out"):
            asyncio.run(read(OSError(errno.ETIMEDOUT, "Connection timed out")))
        self.assertIsNone(asyncio.run(read(TimeoutError())))
