"""Whether torch is needed: asked of the settings, as Open WebUI itself reads them."""

import json
import unittest
from pathlib import Path
from unittest import mock

from webui_preload.models.local_models import LocalModels
from webui_preload.services import wait
from webui_preload.services.wait import ask_engines

#: test/unit/facts/needed-models.test.ts asks the tuner the same.
CASES = json.loads((Path(__file__).parents[2] / "kit" / "needed-models.json").read_bytes())

SETTINGS = {"ENABLE_PERSISTENT_CONFIG": "false"}


class EnginesTest(unittest.TestCase):
    def test_the_models_are_those_that_the_tuner_takes_for_needed(self) -> None:
        for case in CASES:
            with (
                self.subTest(case["what"]),
                mock.patch.object(wait, "_stored_config", lambda _, stored=case["stored"]: stored),
            ):
                models = ask_engines(case["settings"]).models
                self.assertEqual(models, LocalModels(case["embedding"], case["reranker"]))

    def test_documents_are_embedded_by_a_local_model_unless_an_engine_is_named(self) -> None:
        self.assertTrue(ask_engines(SETTINGS).local)
        self.assertFalse(ask_engines({**SETTINGS, "RAG_EMBEDDING_ENGINE": "openai"}).local)

    def test_a_local_reranker_is_one_too(self) -> None:
        settings = {**SETTINGS, "RAG_EMBEDDING_ENGINE": "openai", "ENABLE_RAG_HYBRID_SEARCH": "true"}
        self.assertTrue(ask_engines({**settings, "RAG_RERANKING_MODEL": "a/reranker"}).local)

    def test_the_slim_image_has_no_local_models(self) -> None:
        # open_webui/env.py (0.12.4) reads this variable, and calls it USE_SLIM.
        self.assertFalse(ask_engines({**SETTINGS, "USE_SLIM_DOCKER": "True"}).local)

    def test_the_client_for_mcp_is_needed_where_a_server_of_that_kind_is_configured(self) -> None:
        for tools, needed in (
            ("[]", False),
            ('[{"type": "openapi"}]', False),
            ('[{"type": "openapi"}, {"type": "mcp"}]', True),
            ("no JSON", True),
        ):
            with self.subTest(tools):
                self.assertEqual(ask_engines({**SETTINGS, "TOOL_SERVER_CONNECTIONS": tools}).configured.mcp, needed)
        stored = {"tool_server.connections": [{"type": "mcp", "url": "http://tools"}]}
        with mock.patch.object(wait, "_stored_config", lambda _: stored):
            self.assertTrue(ask_engines({"TOOL_SERVER_CONNECTIONS": "[]"}).configured.mcp)

    def test_a_hybrid_search_is_known_from_the_environment_or_the_database(self) -> None:
        def is_known(variable: str, stored: dict[str, object]) -> bool:
            with mock.patch.object(wait, "_stored_config", return_value=stored):
                return ask_engines({"ENABLE_RAG_HYBRID_SEARCH": variable}).configured.hybrid_search

        self.assertFalse(is_known("", {}))
        self.assertTrue(is_known("True", {}))
        self.assertTrue(is_known("", {"rag.enable_hybrid_search": True}))
