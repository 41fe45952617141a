"""An answer that could not be saved is saved once the database is back."""

import asyncio
import unittest
from collections.abc import Sequence

import redis
from webui_preload.services.saved_answers import saved_at_last, unless_lost


class SavedAtLast(unittest.TestCase):
    def run_with(self, saves: Sequence[str | None], looks: Sequence[bool], longest: float = 10) -> str | None:
        """``saves``: what each attempt returns; ``looks``: whether the database is lost, at each look."""
        self.attempts, self.looks = iter(saves), iter(looks)

        async def save(chat: str) -> str | None:
            self.assertEqual(chat, "a chat")
            return next(self.attempts)

        async def is_lost() -> bool:
            return next(self.looks)

        async def run() -> str | None:
            saved: str | None = await saved_at_last(save, is_lost, interval=0.001, longest=longest)("a chat")
            return saved

        return asyncio.run(run())

    def test_what_is_saved_at_once_asks_nobody(self) -> None:
        self.assertEqual(self.run_with(["saved"], []), "saved")

    def test_waits_while_the_database_is_lost(self) -> None:
        self.assertEqual(self.run_with([None, None, None, "saved"], [True, True, True]), "saved")
        self.assertEqual(list(self.looks), [])

    def test_tries_once_more_where_it_answers_already(self) -> None:
        self.assertEqual(self.run_with([None, "saved"], [False]), "saved")

    def test_a_chat_that_does_not_exist(self) -> None:
        self.assertIsNone(self.run_with([None, None], [False]))

    def test_gives_up_at_last(self) -> None:
        self.assertIsNone(self.run_with([None] * 1000, [True] * 1000, longest=0.02))


class UnlessLost(unittest.TestCase):
    def clear(self, error: Exception) -> None:
        async def clear(_task: str) -> None:
            raise error

        asyncio.run(unless_lost(clear)("a task"))  # type: ignore[arg-type]  # it is a coroutine

    def test_a_lost_redis_does_not_keep_an_answer_from_its_end(self) -> None:
        self.clear(redis.ConnectionError("Error: Redis is lost"))

    def test_any_other_error_is_raised(self) -> None:
        with self.assertRaisesRegex(ValueError, "a defect"):
            self.clear(ValueError("a defect"))
