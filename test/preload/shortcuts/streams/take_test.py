import unittest
from types import SimpleNamespace
from typing import Any
from unittest import mock

from webui_preload.shortcuts import known_source
from webui_preload.shortcuts.streams import take


class Modules:
    """In the place of Open WebUI: what it has of each name is that name."""

    def __init__(self, manager: Any = None, **settings: Any) -> None:
        self.taken: list[str] = []
        self.told: list[str] = []
        self._settings = SimpleNamespace(
            ENABLE_CHAT_RESPONSE_BASE64_IMAGE_URL_CONVERSION=False,
            CHAT_STREAM_RESPONSE_CHUNK_MAX_BUFFER_SIZE=None,
            REDIS_URL="redis://a",
            WEBSOCKET_REDIS_URL="redis://a",
            REDIS_CLUSTER=False,
        )
        vars(self._settings).update(settings)
        self._manager = manager

    def take(self, *, known: bool = True) -> list[str]:
        names = {"read_chats_together": "tokens", "_give_pipe": "rooms", "append_with": "appends"}
        digests = take.HANDLING | take.PUBLISHING | take.APPENDING
        replaced: dict[str, Any] = {
            name: lambda *_, what=what: self.taken.append(what) for name, what in names.items()
        }
        replaced["importlib"] = SimpleNamespace(import_module=self._import)
        known_or_not = mock.patch.multiple(
            known_source,
            digest_of=lambda name: digests[name] if known else "another",
            complain=self.told.append,
        )
        with known_or_not, mock.patch.multiple(take, **replaced):
            take.take_shortcuts_of_streams()
        return self.taken

    def _import(self, name: str) -> Any:
        modules = {"open_webui.env": self._settings, "open_webui.socket.main": SimpleNamespace(sio=self)}
        return modules.get(name, name)

    @property
    def manager(self) -> Any:
        return self._manager


def manager(url: str = "redis://a", kind: str = "AsyncRedisRoomChannelManager") -> Any:
    return type(kind, (), {"redis_url": url})()


class TakeTest(unittest.TestCase):
    def test_takes_all_of_them_where_all_is_known(self) -> None:
        modules = Modules(manager())
        self.assertEqual((modules.take(), modules.told), (["tokens", "rooms", "appends"], []))

    def test_leaves_alone_another_version_and_says_so(self) -> None:
        modules = Modules(manager())
        self.assertEqual(modules.take(known=False), [])
        self.assertEqual(len(modules.told), 2)
        self.assertIn("streaming_chat_response_handler", modules.told[0])
        self.assertIn("left alone", modules.told[1])

    def test_leaves_alone_what_looks_at_each_piece_or_line(self) -> None:
        pictures = Modules(manager(), ENABLE_CHAT_RESPONSE_BASE64_IMAGE_URL_CONVERSION=True)
        limit = Modules(manager(), CHAT_STREAM_RESPONSE_CHUNK_MAX_BUFFER_SIZE=1_000_000)
        for modules in (pictures, limit):
            self.assertNotIn("tokens", modules.take())

    def test_appends_through_the_pipe_only_where_both_use_one_redis(self) -> None:
        self.assertEqual(Modules(manager(), REDIS_URL="redis://b").take(), ["tokens", "rooms"])
        self.assertEqual(Modules(manager(), REDIS_CLUSTER=True).take(), ["tokens", "rooms"])

    def test_has_no_pipe_without_rooms_or_by_way_of_sentinels(self) -> None:
        for other in (None, manager("redis+sentinel://a/0/b"), manager(kind="AsyncRedisManager")):
            modules = Modules(other)
            self.assertEqual((modules.take(), modules.told), (["tokens"], []))
