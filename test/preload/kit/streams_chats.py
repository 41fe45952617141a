"""Chats whose answers are made by Open WebUI's own handler, of what a made-up upstream sends."""

import asyncio
import importlib
import json
import os
import random
import re
import tempfile
from collections.abc import AsyncGenerator, Callable
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

from aiohttp.streams import StreamReader
from webui_preload.shortcuts.known_source import changed_functions
from webui_preload.shortcuts.streams import take

_WORDS = [" heron", " waits", ".", "\n\n", " é", " 鷺", "🐟", ' "reed"', "\\", "\t", "\u2028", "a < b", " {", "&amp;"]
_CODE = ["```python\n", "if a > 3:\n", "    print('<b>')\n", "```", "\n"]
_TAGS = [
    ["<think>", "</think>"],
    ["<", "think", ">", "</", "think", ">"],
    ["<thinking", ' kind="', 'deep"', ">", "</thin", "king>"],
    ["<|begin_of_solution|", ">", "<|end_of_solution", "|>"],
    ["◁think▷", "◁/think", "▷"],
]
_IDS = re.compile(r"\b(?:msg|r|fc|fco|ci)_[0-9a-f]{24}\b")
_TIMES = ("started_at", "ended_at", "duration")


class Script(NamedTuple):
    """What the upstream sends: the lines of each round, and the parameters of the chat."""

    rounds: list[list[str]]
    params: dict[str, Any]


def make_script(seed: int) -> Script:
    """A chat of text, code, tags in pieces, reasoning and calls of tools; its rounds end as those of providers do."""
    dice = random.Random(seed)
    rounds = [_make_round(dice, calls=True) for _ in range(dice.choice([0, 0, 0, 1, 2]))]
    rounds.append(_make_round(dice, calls=False))
    params = {"reasoning_tags": ["[muse]", "[done"]} if dice.random() < 0.1 else {}
    return Script(rounds, params)


def _make_round(dice: random.Random, calls: bool) -> list[str]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if dice.random() < 0.4:
        key = dice.choice(["reasoning_content", "reasoning", "thinking"])
        deltas += [{key: text, "content": None} for text in _text(dice, 20)]
    deltas += [{"content": text, **dice.choice([{}, {"role": "assistant"}])} for text in _text(dice, 60)]
    if calls:
        call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
        deltas.append({"tool_calls": [call]})
        for part in ('{"at":', ' "reeds"}'):
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
    lines = []
    for delta in deltas:
        data = {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": None}], "usage": None}
        lines.append(f"data: {json.dumps(data, ensure_ascii=dice.random() < 0.5)}")
        if dice.random() < 0.03:
            lines.append(dice.choice([": still there", "data: {", "event: message"]))
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}]}
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": len(deltas)}}
    return [*lines, f"data: {json.dumps(end)}", f"data: {json.dumps(usage)}", "data: [DONE]"]


def _text(dice: random.Random, most: int) -> list[str]:
    pieces: list[str] = []
    while len(pieces) < dice.randrange(2, most):
        kind = dice.random()
        if kind < 0.1:
            tag = dice.choice(_TAGS)
            half = len(tag) // 2
            pieces += [*tag[:half], *dice.choices(_WORDS, k=4), *tag[half:]]
        elif kind < 0.2:
            pieces += [*_CODE, "[muse]", " hm", "[do", "ne"]
        else:
            pieces += dice.choices(_WORDS, k=5)
    return pieces


class _Response:
    """As much of aiohttp's as is used."""

    connection = None

    def __init__(self, lines: list[str]) -> None:
        protocol: Any = mock.Mock(_reading_paused=False)
        self.content = StreamReader(protocol, 2**16, loop=asyncio.get_running_loop())
        self.closed = False
        self._sending = asyncio.create_task(self._send("".join(f"{line}\n\n" for line in lines).encode()))

    async def _send(self, data: bytes) -> None:
        """In pieces that end anywhere, as TCP's do; now and then nothing comes for a while."""
        dice = random.Random(data)
        while data:
            size = dice.choice([1, 40, 150, 150, 150, 900])
            self.content.feed_data(data[:size])
            data = data[size:]
            await asyncio.sleep(dice.choice([0, 0, 0, 0.001]))
        self.content.feed_eof()

    def close(self) -> None:
        self.closed = True
        self._sending.cancel()


class Answered(NamedTuple):
    #: What is stored.
    output: str
    #: The page's events, pieces of text that follow each other joined.
    events: list[str]
    #: How many events there were.
    amount: int
    #: Lines that a filter was given.
    filtered: int
    are_closed: bool


class App:
    """Open WebUI's handler, in a process of its own: the settings are those of the import."""

    def __init__(self, **settings: str) -> None:
        folder = tempfile.mkdtemp()
        os.environ.update(
            FROM_INIT_PY="true",
            DATA_DIR=folder,
            STATIC_DIR=f"{folder}/static",
            DATABASE_URL=f"sqlite:///{folder}/webui.db",
            ENABLE_DB_MIGRATIONS="false",
            WEBUI_SECRET_KEY="secret",
            OFFLINE_MODE="true",
            **settings,
        )
        self.middleware, self.openai, self.filters = map(
            _module, ("open_webui.utils.middleware", "open_webui.routers.openai", "open_webui.utils.filter")
        )
        known = take.HANDLING | take.PUBLISHING | take.APPENDING
        self.unknown = changed_functions(known)
        # What is beside the handling of the stream: the database, and what happens when it has ended.
        nothing = mock.AsyncMock(return_value=None)
        for name in ("publish_chat_finished_event", "background_tasks_handler", "outlet_filter_handler"):
            setattr(self.middleware, name, nothing)
        self.middleware.get_system_oauth_token = nothing
        self.middleware.log_model_usage = mock.Mock()
        self.middleware.Config = SimpleNamespace(get=nothing)

        async def compact(_request: Any, _user: Any, messages: list[Any], *_: Any) -> tuple[list[Any], None, bool]:
            return messages, None, False

        self.middleware.compact_messages_for_request = compact
        self.hooks: list[str] = []
        self.filtered = 0

        async def get_filter_functions(*_: Any) -> list[Any]:
            return [SimpleNamespace(id=name) for name in self.hooks]

        async def get_function_module(_request: Any, name: str, **_: Any) -> Any:
            return SimpleNamespace(**{name: lambda event: event})

        async def process_filter_functions(form_data: Any, **_: Any) -> Any:
            self.filtered += 1
            return form_data, {}

        self.middleware.get_filter_functions = get_filter_functions
        self.filters.get_function_module = get_function_module
        self.middleware.process_filter_functions = process_filter_functions
        self._next: dict[str, list[list[str]]] = {}
        self._responses: dict[str, list[_Response]] = {}
        self.middleware.generate_chat_completion = self._go_on

    async def _go_on(self, _request: Any, form_data: dict[str, Any], *_: Any, **__: Any) -> Any:
        return self._respond(form_data["metadata"]["chat_id"].removeprefix("local:"))

    def _respond(self, chat: str) -> Any:
        from starlette.responses import StreamingResponse

        response = _Response(self._next[chat].pop(0))
        self._responses.setdefault(chat, []).append(response)
        return StreamingResponse(self.openai.stream_wrapper(response))

    async def chat(self, script: Script, name: str, stop: Callable[[int], bool] = lambda _: False) -> Answered:
        """``stop`` is asked after each event, with their number, whether the user stops the answer."""
        events: list[dict[str, Any]] = []
        self._next[name] = [*script.rounds]
        filtered = self.filtered

        async def emit(event: dict[str, Any]) -> None:
            events.append(json.loads(json.dumps(event)))
            if stop(len(events)):
                task.cancel()

        # Of a chat that is not saved: nothing goes to the database, all else is as ever.
        metadata = {"chat_id": f"local:{name}", "message_id": "m", "session_id": "s", "params": {**script.params}}
        state = SimpleNamespace(redis=None, MODELS={})
        ctx: dict[str, Any] = {
            "request": SimpleNamespace(state=SimpleNamespace(), app=SimpleNamespace(state=state)),
            "form_data": {
                "model": "m",
                "messages": [{"role": "user", "content": "?"}],
                "metadata": {"chat_id": f"local:{name}"},
            },
            "user": SimpleNamespace(id="u", role="admin", model_dump=dict),
            "model": {"id": "m"},
            "metadata": metadata,
            "events": [],
            "tasks": None,
            "event_emitter": emit,
            "event_caller": None,
        }
        task = asyncio.ensure_future(self.middleware.streaming_chat_response_handler(self._respond(name), ctx))
        try:
            await task
        except asyncio.CancelledError:
            pass
        stored = [event["data"] for event in events if event["data"].get("done") or "cancel" in event["type"]]
        return Answered(
            output=_comparable(stored),
            events=[_comparable(event) for event in _joined(events)],
            amount=len(events),
            filtered=self.filtered - filtered,
            are_closed=all(response.closed for response in self._responses[name]),
        )


def _joined(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    joined: list[dict[str, Any]] = []
    for event in events:
        data = event["data"]
        if joined and _is_text(data) and {**joined[-1]["data"], "delta": ""} == {**data, "delta": ""}:
            joined[-1]["data"]["delta"] += data["delta"]
        else:
            joined.append(event)
    return joined


def _is_text(data: dict[str, Any]) -> bool:
    return str(data.get("type")).endswith(".delta") and isinstance(data.get("delta"), str)


def _comparable(value: Any) -> str:
    """Its JSON, ids by their order, without times."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    text = re.sub(rf'"(?:{"|".join(_TIMES)})": [\d.]+', '"time": 0', text)
    seen: dict[str, str] = {}
    return _IDS.sub(lambda found: seen.setdefault(found[0], f"id{len(seen)}"), text)


def _module(name: str) -> Any:
    return importlib.import_module(name)


async def all_chats(app: App, scripts: list[Script], at_once: int = 50) -> AsyncGenerator[Answered, None]:
    for start in range(0, len(scripts), at_once):
        some = scripts[start : start + at_once]
        chats = [app.chat(script, f"chat{number}") for number, script in enumerate(some, start)]
        for answered in await asyncio.gather(*chats):
            yield answered
