import os
import sys
import tempfile
import threading
import types
import unittest
from collections.abc import Callable
from typing import Any
from unittest import mock

from child import in_child
from model_files import local_model, needs_torch
from webui_preload.models.local_models import LocalModels, share_models

TEXTS = ["The lighthouse of Windhaven was built by Mara Quill in 1843.", "Bread rises."] * 40
PAIRS = [("Who built the lighthouse?", text) for text in TEXTS]

#: Share of the largest number of a vector; 6e-7 was seen, and other texts or models are off by more than a tenth.
ROUNDING = 1e-5

#: What Open WebUI's start-up hands over beside the name of a reranker: address, key and time-out of one elsewhere.
ELSEWHERE = ("", "", "")


def make_reranker(folder: str) -> str:
    """That model with a head that was never trained: it ranks badly, and is loaded and computes as any other."""
    from sentence_transformers import CrossEncoder

    CrossEncoder(local_model(), num_labels=1, device="cpu").save_pretrained(folder)
    return folder


def open_webui(get_ef: Any = None, get_rf: Any = None, device: str = "cpu") -> Any:
    """Those parts of Open WebUI that are asked, for as long as it is the context; in a child: it brings in torch."""
    names = {
        "open_webui": types.ModuleType("open_webui"),
        "open_webui.main": types.SimpleNamespace(get_ef=get_ef, get_rf=get_rf),
        "open_webui.env": types.SimpleNamespace(DEVICE_TYPE=device),
        "open_webui.config": types.SimpleNamespace(
            RAG_EMBEDDING_MODEL_AUTO_UPDATE=False, RAG_RERANKING_MODEL_AUTO_UPDATE=False
        ),
    }
    return mock.patch.dict(sys.modules, names)


class LocalModelsTest(unittest.TestCase):
    @needs_torch
    def test_forked_workers_embed_as_one_that_loads_the_model_itself(self) -> None:
        self.assertEqual(in_child(embeds_alike), "alike")

    @needs_torch
    def test_forked_workers_rank_as_one_that_loads_the_model_itself(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(in_child(lambda: make_reranker(folder)), folder)
            self.assertEqual(in_child(lambda: ranks_alike(folder)), "alike")

    def test_leaves_models_on_a_graphics_card_to_the_workers(self) -> None:
        def leaves() -> str:
            def load(*_: object) -> None:
                self.fail("it was loaded")

            with open_webui(load, load, "cuda"):
                return f"shared: {share_models(LocalModels('/', '/'))}"

        self.assertEqual(in_child(leaves), "shared: []")

    def test_leaves_a_reranker_that_is_no_cross_encoder_to_the_workers(self) -> None:
        with open_webui():
            self.assertEqual(share_models(LocalModels(reranker="jinaai/jina-colbert-v2")), [])

    @needs_torch
    def test_goes_on_without_models_that_cannot_be_loaded(self) -> None:
        def load(*_: object, **_more: object) -> object:
            raise ValueError("no model")

        def goes_on() -> str:
            with open_webui(load, load), mock.patch("webui_preload.models.local_models.complain") as complain:
                shared = share_models(LocalModels("/", "/"))
                app: Any = sys.modules["open_webui.main"]
                are_own = app.get_ef is load and app.get_rf is load
            return f"shared: {shared}, its own: {are_own}, complaints: {complain.call_count}"

        self.assertEqual(in_child(goes_on), "shared: [], its own: True, complaints: 2")

    @needs_torch
    def test_hands_over_no_other_model_than_the_one_that_was_loaded(self) -> None:
        self.assertEqual(in_child(hands_over), "loaded once, others anew")


def embeds_alike() -> str:
    from sentence_transformers import SentenceTransformer

    loads = []

    def get_ef(engine: str, model: str, *_: object) -> Any:
        loads.append(model)
        return SentenceTransformer(model, device="cpu")

    model = local_model()
    with open_webui(get_ef), mock.patch("webui_preload.models.local_models.say"):
        assert share_models(LocalModels(model)) == [model]
        app: Any = sys.modules["open_webui.main"]

        def embed() -> bytes:
            vectors: bytes = app.get_ef("", model).encode(TEXTS[:8]).tobytes()
            app.get_ef("", model).encode(TEXTS)
            return vectors

        embedded = in_workers(embed)
        assert loads == [model], loads
        own = SentenceTransformer(model, device="cpu").encode(TEXTS[:8]).tobytes()
    return compared(embedded, own)


def ranks_alike(model: str) -> str:
    from sentence_transformers import CrossEncoder

    loads = []

    def get_rf(engine: str, model: str, *_: object, auto_update: bool = True) -> Any:
        loads.append((model, auto_update))
        return CrossEncoder(model, device="cpu")

    with open_webui(None, get_rf), mock.patch("webui_preload.models.local_models.say"):
        assert share_models(LocalModels(reranker=model)) == [model]
        app: Any = sys.modules["open_webui.main"]

        def rank() -> bytes:
            scores: bytes = app.get_rf("", model, *ELSEWHERE).predict(PAIRS[:8]).tobytes()
            app.get_rf("", model, *ELSEWHERE).predict(PAIRS)
            return scores

        ranked = in_workers(rank)
        assert loads == [(model, False)], loads
        own = CrossEncoder(model, device="cpu").predict(PAIRS[:8]).tobytes()
    return compared(ranked, own)


def compared(answers: list[bytes], own: bytes) -> str:
    """Alike but for the last bits of a float32: how BLAS sums depends on where its operands lie in memory."""
    import numpy

    expected = numpy.frombuffer(own, numpy.float32)
    differences = [float(abs(numpy.frombuffer(one, numpy.float32) - expected).max()) for one in answers]
    return "alike" if max(differences) <= ROUNDING * float(abs(expected).max()) else f"off by {differences}"


def in_workers(work: Callable[[], bytes]) -> list[bytes]:
    """What ``work`` returns in each of two forked children of a process that has but one thread."""
    assert threading.active_count() == 1, threading.enumerate()
    answers = []
    for _ in range(2):
        receiving, sending = os.pipe()
        if not os.fork():
            os.write(sending, work())
            os._exit(0)
        os.close(sending)
        with open(receiving, "rb") as pipe:
            answers.append(pipe.read())
        if status := os.wait()[1]:
            raise AssertionError(f"a child ended with {status}")
    return answers


def hands_over() -> str:
    def get_rf(engine: str, model: str, *_: object, **_more: object) -> object:
        return object()

    with open_webui(None, get_rf), mock.patch("webui_preload.models.local_models.say"):
        share_models(LocalModels(reranker="/"))
        app: Any = sys.modules["open_webui.main"]
        ask = app.get_rf
        loaded = ask("", "/", *ELSEWHERE)
        others = [
            ask("external", "/", "http://127.0.0.1:1", "", ""),
            ask("", "/usr", *ELSEWHERE),
            ask("", "/", *ELSEWHERE, True),
            ask("", "/", auto_update=True),
        ]
        assert ask("", "/", *ELSEWHERE) is loaded
    return "loaded once, others anew" if loaded not in others else "handed over for another"
