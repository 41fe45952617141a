"""Whether torch is needed: asked of the settings, as Open WebUI itself reads them."""

import unittest

from webui_preload.services.wait import ask_engines

SETTINGS = {"ENABLE_PERSISTENT_CONFIG": "false"}


class EnginesTest(unittest.TestCase):
    def test_documents_are_embedded_by_a_local_model_unless_an_engine_is_named(self) -> None:
        self.assertTrue(ask_engines(SETTINGS).local)
        self.assertFalse(ask_engines({**SETTINGS, "RAG_EMBEDDING_ENGINE": "openai"}).local)

    def test_a_local_reranker_is_one_too(self) -> None:
        settings = {**SETTINGS, "RAG_EMBEDDING_ENGINE": "openai", "ENABLE_RAG_HYBRID_SEARCH": "true"}
        self.assertTrue(ask_engines({**settings, "RAG_RERANKING_MODEL": "a/reranker"}).local)

    def test_the_slim_image_has_no_local_models(self) -> None:
        # open_webui/env.py (0.12.4) reads this variable, and calls it USE_SLIM.
        self.assertFalse(ask_engines({**SETTINGS, "USE_SLIM_DOCKER": "True"}).local)


if __name__ == "__main__":
    unittest.main()
