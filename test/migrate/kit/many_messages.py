"""Fills a webui.db with users, chats and messages, as Open WebUI stores them: to measure with, or to compare."""

import json
import random
import sqlite3
from collections.abc import Iterator
from typing import Any

_TEXT = (
    "The model answers a question about documents with “quoted” and naïve 日本語 text,\n"
    "code such as `def main(): return 'x'`,\ttabs, \\ backslashes; some are longer than others. "
)
#: 2026-01-01, in seconds.
_BEGIN = 1_767_225_600
_IN_CHAT = 50


def fill(connection: sqlite3.Connection, messages: int, *, users: int = 100, name: str = "") -> None:
    """``name`` keeps the keys of several fills apart; the same one makes the same rows."""
    draw = random.Random(name)
    connection.execute("BEGIN")
    _insert(connection, "user", (_user_row(name, number) for number in range(users)))
    connection.executemany(
        "INSERT INTO auth (id, email, password, active) VALUES (?, ?, ?, 1)",
        ((_user(name, number), f"user{name}{number}@example.org", "$2b$12$" + "x" * 53) for number in range(users)),
    )
    text = _TEXT * 1000
    _insert(connection, "chat", _chats(draw, text, messages, users, name))
    _insert(connection, "chat_message", _messages(draw, text, messages, users, name))
    connection.execute("COMMIT")


def _user(name: str, number: int) -> str:
    return f"user-{name}-{number:08}-4c1b-9f00"


def _user_row(name: str, number: int) -> dict[str, Any]:
    return {
        "id": _user(name, number),
        "name": f"User {number}",
        "email": f"user{name}{number}@example.org",
        "role": "user",
        "profile_image_url": "/user.png",
        "last_active_at": _BEGIN,
        "updated_at": _BEGIN,
        "created_at": _BEGIN,
        "settings": '{"ui": {}}',
    }


def _chat(name: str, number: int) -> str:
    return f"chat-{name}-{number * 2654435761 % 2**32:08x}-{number:08}"


def _piece(draw: random.Random, text: str, length: int) -> str:
    start = draw.randrange(len(text) - length)
    return text[start : start + length]


def _chats(draw: random.Random, text: str, messages: int, users: int, name: str) -> Iterator[dict[str, Any]]:
    for number in range((messages + _IN_CHAT - 1) // _IN_CHAT):
        history: dict[str, object] = {"messages": {}, "text": _piece(draw, text, draw.randrange(2_000, 30_000))}
        yield {
            "id": _chat(name, number),
            "user_id": _user(name, number % users),
            "title": _piece(draw, text, 40),
            "created_at": _BEGIN + number,
            "updated_at": _BEGIN + number,
            "archived": number % 20 == 0,
            "pinned": None if number % 3 else 0,
            "chat": json.dumps({"history": history}, ensure_ascii=number % 2 == 0),
            "meta": "{}",
        }


def _messages(draw: random.Random, text: str, messages: int, users: int, name: str) -> Iterator[dict[str, Any]]:
    for number in range(messages):
        chat = number // _IN_CHAT
        yield {
            "id": f"{_chat(name, chat)}-{number % _IN_CHAT}",
            "chat_id": _chat(name, chat),
            "user_id": _user(name, chat % users),
            "role": "assistant" if number % 2 else "user",
            "parent_id": f"{_chat(name, chat)}-{number % _IN_CHAT - 1}" if number % _IN_CHAT else None,
            "content": json.dumps(_piece(draw, text, draw.randrange(50, 700)), ensure_ascii=False),
            "model_id": "llama3.2:latest" if number % 2 else None,
            "usage": '{"total_tokens":120,"eval_rate":31.5}' if number % 2 else None,
            "done": True,
            "created_at": _BEGIN + number,
            "updated_at": _BEGIN + number,
        }


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    for row in rows:
        places = ", ".join("?" * len(row))
        connection.execute(f'INSERT INTO "{table}" ({", ".join(row)}) VALUES ({places})', tuple(row.values()))
