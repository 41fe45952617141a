"""A worker embeds with what is stored, whichever worker was asked to store it."""

import sys
import unittest
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

from webui_preload.worker.embedding_settings import EmbeddingSettings, follow_embedding_settings

STORED = {
    "rag.embedding_engine": "openai",
    "rag.embedding_model": "first",
    "rag.embedding_batch_size": 1,
    "rag.enable_async_embedding": True,
    "rag.embedding_concurrent_requests": 0,
    "rag.openai.api_base_url": "http://openai",
    "rag.openai.api_key": "a key",
    "rag.ollama.base_url": "http://ollama",
    "rag.ollama.api_key": "",
}


def make(  # noqa: PLR0913 (Open WebUI's own)
    embedding_engine: str,
    embedding_model: str,
    embedding_function: Any,
    url: str,
    key: str,
    embedding_batch_size: int,
    azure_api_version: str | None = None,
    enable_async: bool = True,
    concurrent_requests: int = 0,
) -> str:
    """With the signature of open_webui.retrieval.utils.get_embedding_function."""
    return f"{embedding_engine} {embedding_model} at {url}"


class Follow(unittest.TestCase):
    def setUp(self) -> None:
        module: Any = ModuleType
        self.main = module("open_webui.main")
        self.main.get_embedding_function = make
        self.main.app = SimpleNamespace(state=SimpleNamespace(ef=None, EMBEDDING_FUNCTION=None))
        self.router = module("open_webui.routers.retrieval")
        modules = {"open_webui": ModuleType("open_webui"), "open_webui.routers": ModuleType("open_webui.routers")}
        self.enterContext(mock.patch.dict(sys.modules, modules | {self.router.__name__: self.router}))
        self.settings = EmbeddingSettings(self.main)
        # As the app does at its start.
        self.main.app.state.EMBEDDING_FUNCTION = self.main.get_embedding_function(
            "openai", "first", embedding_function=None, url="http://openai", key="a key", embedding_batch_size=1
        )

    def embeds_with(self, *stored: dict[str, Any]) -> str:
        for rows in stored:
            self.settings.follow(rows)
        function: str = self.main.app.state.EMBEDDING_FUNCTION
        return function

    def test_leaves_alone_what_is_stored_as_it_was(self) -> None:
        self.main.app.state.EMBEDDING_FUNCTION = "the app's own"
        self.assertEqual(self.embeds_with(STORED, STORED, STORED), "the app's own")

    def test_follows_another_model_address_and_engine(self) -> None:
        other = STORED | {"rag.embedding_model": "second"}
        self.assertEqual(self.embeds_with(other, other), "openai second at http://openai")
        ollama = other | {"rag.embedding_engine": "ollama"}
        self.assertEqual(self.embeds_with(ollama, ollama), "ollama second at http://ollama")
        self.assertEqual(self.embeds_with(STORED, STORED), "openai first at http://openai")

    def test_follows_another_key(self) -> None:
        other = STORED | {"rag.openai.api_key": "another key"}
        self.main.app.state.EMBEDDING_FUNCTION = "with the former key"
        self.assertEqual(self.embeds_with(other, other), "openai first at http://openai")

    def test_does_not_take_back_what_is_about_to_be_stored(self) -> None:
        # An administrator asks this worker: it applies the new model first, and stores it then.
        self.main.app.state.EMBEDDING_FUNCTION = self.router.get_embedding_function(
            "openai", "second", None, "http://openai", "a key", 1
        )
        other = STORED | {"rag.embedding_model": "second"}
        self.assertEqual(self.embeds_with(STORED, other, other), "openai second at http://openai")

    def test_a_version_without_the_function_is_left_alone(self) -> None:
        self.assertIsNone(follow_embedding_settings(ModuleType("open_webui.main"))())

    def test_says_that_a_local_model_needs_a_reload(self) -> None:
        local = STORED | {"rag.embedding_engine": "", "rag.embedding_model": "a local one"}
        with mock.patch("webui_preload.worker.embedding_settings.complain") as complain:
            self.assertEqual(self.embeds_with(*[local] * 5), "openai first at http://openai")
        complain.assert_called_once()
        self.assertIn("pm2 reload open-webui", complain.call_args.args[0])
