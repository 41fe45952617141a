"""What a page and the database get is what Open WebUI's own handler makes of each line by itself."""

import asyncio
import json
import unittest
from typing import Any
from unittest import mock

from child import in_child
from streams_chats import Answered, App, Script, all_chats, make_script
from webui_preload.shortcuts.streams import pace
from webui_preload.shortcuts.streams.chats import read_chats_together

CHATS = 1_000

#: What is in answers of many kinds: calls of tools, both sorts of reasoning, solutions, blocks of code.
KINDS = ("function_call_output", "reasoning_content", "</thinking>", "<|begin_of_solution|>", "```python")


def busy() -> Any:
    """A worker that streams so much that tokens wait for each other; not for long, as there are many chats."""
    return mock.patch.multiple(pace, IDLE=-1.0, BUSY=0.0, LONGEST_HOLD=0.003)


def plain(words: int) -> Script:
    lines = [{"choices": [{"index": 0, "delta": {"content": f" word{index}"}}]} for index in range(words)]
    return Script([[f"data: {json.dumps(line)}" for line in lines] + ["data: [DONE]"]], {})


async def answers_to(app: App, scripts: list[Script]) -> list[Answered]:
    return [answered async for answered in all_chats(app, scripts)]


def find(app: App) -> dict[str, dict[str, Any]]:
    """What is different, in an app that is first as it comes, and then reads tokens together."""
    scripts = [make_script(seed) for seed in range(CHATS)]
    before = asyncio.run(answers_to(app, scripts))
    # As it is planned, of the settings of Open WebUI.
    app.middleware.CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE = 5
    words = plain(60)
    counted = Script(words.rounds, {"stream_delta_chunk_size": 7})
    fives, sevens = asyncio.run(answers_to(app, [words, counted]))

    read_chats_together(app.middleware)
    with busy():
        now = asyncio.run(answers_to(app, scripts))
        together, by_count = asyncio.run(answers_to(app, [words, counted]))
        app.hooks = ["inlet"]
        [beside] = asyncio.run(answers_to(app, [words]))
        app.hooks = ["stream"]
        [filtered] = asyncio.run(answers_to(app, [words]))
        app.hooks = []
        stopped = asyncio.run(app.chat(plain(2_000), "stopped", stop=lambda events: events == 4))

    stored = "".join(answered.output for answered in before)
    seen = [json.loads(event)["data"].get("delta", "") for event in stopped.events]
    [end] = json.loads(stopped.output)
    return {
        "unknown": dict.fromkeys(app.unknown),
        "chats": {
            "amount": len(now),
            "stored differently": [seed for seed in range(CHATS) if before[seed].output != now[seed].output],
            "shown differently": [seed for seed in range(CHATS) if before[seed].events != now[seed].events],
            "upstreams left open": sum(not answered.are_closed for answered in now),
            "in fewer events": sum(a.amount for a in now) < 0.75 * sum(a.amount for a in before),
            "without": [kind for kind in KINDS if kind not in stored],
        },
        "left alone": {
            "more events where they are counted": by_count.amount - sevens.amount,
            "more events where they are filtered": filtered.amount - fives.amount,
            "seen by a filter": filtered.filtered,
            "less seen by one without a hook": beside.filtered < 60,
            "outputs": len({each.output for each in (fives, sevens, together, by_count, beside, filtered)}),
        },
        "stopped": {
            "stored as seen": end["output"][0]["content"][0]["text"] == "".join(seen),
            "status": end["output"][0]["status"],
            "upstream left open": not stopped.are_closed,
        },
    }


class ChatsTest(unittest.TestCase):
    found: dict[str, dict[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        answer = in_child(lambda: json.dumps(find(App())))
        if not answer.startswith("{"):
            raise AssertionError(answer)
        cls.found = json.loads(answer)

    def test_knows_the_open_webui_that_is_installed(self) -> None:
        self.assertEqual(self.found["unknown"], {})

    def test_stores_and_shows_the_same_of_a_thousand_chats(self) -> None:
        self.assertEqual(
            self.found["chats"],
            {
                "amount": CHATS,
                "stored differently": [],
                "shown differently": [],
                "upstreams left open": 0,
                "in fewer events": True,
                "without": [],
            },
        )

    def test_leaves_alone_what_somebody_counts_or_filters(self) -> None:
        self.assertEqual(
            self.found["left alone"],
            {
                "more events where they are counted": 0,
                "more events where they are filtered": 0,
                "seen by a filter": 60,
                "less seen by one without a hook": True,
                "outputs": 1,
            },
        )

    def test_stops_with_what_the_page_has_seen(self) -> None:
        self.assertEqual(
            self.found["stopped"], {"stored as seen": True, "status": "incomplete", "upstream left open": False}
        )
