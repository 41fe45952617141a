"""What a page's WebSocket needs of a service waits for it, and fails of nothing else."""

import asyncio
import unittest
from importlib.util import find_spec
from pathlib import Path

import psycopg
import redis
from sqlalchemy.exc import OperationalError
from webui_preload.services.live_sockets import patient


class Calls:
    """Fails with each of the errors in turn, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.count = 0

    async def __call__(self, answer: str) -> str:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return answer


def run(calls: Calls, longest: float = 10) -> str:
    async def ask() -> str:
        return await patient(calls, interval=0.001, longest=longest)("the user")

    return asyncio.run(ask())


class Patient(unittest.TestCase):
    def test_waits_for_the_database_and_redis(self) -> None:
        lost = OperationalError("SELECT", {}, psycopg.OperationalError("connection failed: refused"))
        calls = Calls(lost, redis.ConnectionError("Error 111 connecting to"), lost)
        self.assertEqual(run(calls), "the user")
        self.assertEqual(calls.count, 4)

    def test_raises_what_no_service_is_to_blame_for(self) -> None:
        calls = Calls(ValueError("a defect"))
        with self.assertRaisesRegex(ValueError, "a defect"):
            run(calls)
        self.assertEqual(calls.count, 1)

    def test_gives_up_at_last(self) -> None:
        calls = Calls(*[psycopg.OperationalError("connection failed: refused") for _ in range(1000)])
        with self.assertRaises(psycopg.OperationalError):
            run(calls, longest=0.02)
        self.assertGreater(calls.count, 1)

    def test_is_still_a_coroutine_function_of_its_name(self) -> None:
        async def connect() -> None: ...

        # python-socketio asks before it calls a handler.
        self.assertTrue(asyncio.iscoroutinefunction(patient(connect)))
        self.assertEqual(getattr(patient(connect), "__name__", ""), "connect")


class OpenWebui(unittest.TestCase):
    def test_has_the_names_that_are_replaced(self) -> None:
        package = find_spec("open_webui")
        assert package and package.submodule_search_locations
        source = Path(package.submodule_search_locations[0], "socket", "main.py").read_text()
        for name in ("get_verified_user_by_token(auth['token'], redis)", "def connect(sid", "@sio.on('user-join')"):
            self.assertIn(name, source)
