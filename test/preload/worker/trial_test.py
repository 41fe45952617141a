import asyncio
import glob
import tempfile
import unittest
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from webui_preload.worker import trial
from webui_preload.worker.trial import SENTENCE, Trials, without_secrets

Embed = Callable[[str], Awaitable[Any]]


class Loader:
    """In the place of Open WebUI's: reads the file, and keeps no more of it than ``text`` says."""

    def __init__(self, text: str = "") -> None:
        self._text = text

    async def aload(self, filename: str, file_content_type: str, file_path: str) -> list[SimpleNamespace]:
        assert (filename, file_content_type) == ("doctor.html", "text/html")
        with open(file_path) as page:
            content = page.read()
        return [SimpleNamespace(page_content=self._text or content)]


@contextmanager
def the_app(embed: Embed | None, config: dict[str, Any], loader: Loader | None = None) -> Iterator[None]:
    """Open WebUI's modules, as far as a trial looks into them."""

    async def get_many(*keys: str) -> dict[str, Any]:
        return {key: config[key] for key in keys if key in config}

    modules = {
        "open_webui.routers.retrieval": SimpleNamespace(RETRIEVAL_CONFIG_KEYS={key: key for key in config}),
        "open_webui.models.config": SimpleNamespace(Config=SimpleNamespace(get_many=get_many)),
        "open_webui.main": SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(EMBEDDING_FUNCTION=embed))),
        "open_webui.retrieval.utils": SimpleNamespace(build_loader_from_config=lambda _: loader),
    }
    with mock.patch.object(trial, "import_module", modules.__getitem__):
        yield


def pages() -> list[str]:
    return glob.glob(f"{tempfile.gettempdir()}/webui-tune-doctor-*")


class TrialTest(unittest.TestCase):
    def test_a_sentence_is_embedded_by_the_apps_own_function(self) -> None:
        seen: list[str] = []

        async def embed(text: str) -> list[float]:
            seen.append(text)
            return [0.5] * 384

        with the_app(embed, {"rag.embedding_engine": "", "rag.embedding_model": "a/b"}):
            answer = asyncio.run(Trials().answer("embed"))
        self.assertEqual(seen, [SENTENCE])
        self.assertEqual((answer["dimensions"], answer["model"], answer["engine"]), (384, "a/b", ""))
        self.assertNotIn("error", answer)
        self.assertGreaterEqual(answer["ms"], 0)

    def test_what_is_no_vector_is_an_error(self) -> None:
        for vector in (None, [], [float("nan")], ["x"]):

            async def embed(_: str, vector: Any = vector) -> Any:
                return vector

            with self.subTest(vector), the_app(embed, {"rag.embedding_engine": ""}):
                self.assertIn("error", asyncio.run(Trials().answer("embed")))

    def test_an_error_is_an_answer_without_secrets(self) -> None:
        async def embed(_: str) -> None:
            raise ValueError("401 sk-embedding at https://me:word@host/v1/embeddings?key=abc\nmore")

        config = {"rag.openai.api_key": "sk-embedding", "rag.embedding_engine": "openai"}
        with the_app(embed, config):
            answer = asyncio.run(Trials().answer("embed"))
        self.assertEqual(answer["error"], "401 *** at https://host/v1/embeddings")

    def test_a_password_of_the_environment_is_taken_out(self) -> None:
        with mock.patch.dict("os.environ", {"DATABASE_URL": "postgresql://u:hunter22@h/n", "A_TOKEN": "abcdefg"}):
            self.assertEqual(without_secrets(ValueError("hunter22, abcdefg, h"), {}), "***, ***, h")
        self.assertEqual(without_secrets(ValueError(), {}), "ValueError")

    def test_who_asks_meanwhile_shares_a_trial_which_is_given_up_in_time(self) -> None:
        calls = 0

        async def run() -> list[dict[str, Any]]:
            done = asyncio.Event()

            async def embed(_: str) -> list[float]:
                nonlocal calls
                calls += 1
                await done.wait()
                return [1.0]

            with the_app(embed, {}), mock.patch.object(trial, "LIMIT", 0.01):
                trials = Trials()
                late = await asyncio.gather(trials.answer("embed"), trials.answer("embed"))
                done.set()
                return [*late, await trials.answer("embed")]

        first, second, third = asyncio.run(run())
        self.assertEqual((first["late"], second["late"]), (True, True))
        self.assertEqual(third["dimensions"], 1)
        self.assertEqual(calls, 1)

    def test_a_page_is_read_and_nothing_is_left_of_it(self) -> None:
        with the_app(None, {"rag.content_extraction_engine": "tika"}, Loader()):
            answer = asyncio.run(Trials().answer("read"))
        self.assertEqual(answer["engine"], "tika")
        self.assertNotIn("error", answer)
        with the_app(None, {}, Loader("another text")):
            self.assertIn("not the text", asyncio.run(Trials().answer("read"))["error"])
        self.assertEqual(pages(), [])

    def test_an_engine_that_costs_money_is_not_tried(self) -> None:
        with the_app(None, {"rag.content_extraction_engine": "mistral_ocr"}):
            self.assertIs(asyncio.run(Trials().answer("read"))["untried"], True)
