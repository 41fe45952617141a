"""With the installed torch: a model embeds without the compiler, which works when it is used."""

import contextlib
import json
import os
import sys
import unittest
from importlib import import_module
from typing import Any

from at_once import at_once
from child import in_child
from model_files import local_model, needs_torch
from webui_preload.configured import ALL
from webui_preload.shortcuts.quick_import.seldom_used import seldom_used_put_off
from webui_preload.shortcuts.quick_import.torch_compiler import COMPILER, compiler_put_off

SELDOM_USED = (COMPILER, "sklearn", "scipy.stats", "pandas")


class TorchCompilerTest(unittest.TestCase):
    @needs_torch
    def test_a_model_embeds_without_what_compiles_and_trains_models(self) -> None:
        plain = json.loads(in_child(lambda: embedded(puts_off=False)))
        spared = json.loads(in_child(lambda: embedded(puts_off=True)))
        self.assertEqual(plain["loaded"], list(SELDOM_USED))
        self.assertEqual(spared["loaded"], [])
        self.assertEqual(spared["vectors"], plain["vectors"])

    @needs_torch
    def test_both_work_when_they_are_used_after_all_from_two_threads_at_once(self) -> None:
        self.assertEqual(
            json.loads(in_child(used)),
            {
                "compiled": [[3.0, 3.0]] * 2,
                "marked": True,
                "hidden": "Unsupported",
                "hidden function alone": 5,
                "evaluated": [1.0] * 2,
            },
        )

    def test_does_nothing_where_there_is_no_torch(self) -> None:
        def put_off() -> str:
            sys.modules["torch"] = None  # type: ignore[assignment]
            with compiler_put_off():
                return str(COMPILER in sys.modules)

        self.assertEqual(in_child(put_off), "False")


def all_put_off() -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    stack.enter_context(seldom_used_put_off(os.environ, ALL))
    stack.enter_context(compiler_put_off())
    return stack


def embedded(*, puts_off: bool) -> str:
    with all_put_off() if puts_off else contextlib.nullcontext():
        sentence_transformers = import_module("sentence_transformers")
        import_module("transformers.data")
    model = sentence_transformers.SentenceTransformer(local_model(), device="cpu")
    vectors = model.encode(["Bread rises.", "The tide falls."]).tolist()
    return json.dumps({"vectors": vectors, "loaded": [name for name in SELDOM_USED if name in sys.modules]})


def used() -> str:
    with all_put_off():
        torch: Any = import_module("torch")

        @torch.compiler.allow_in_graph  # type: ignore[untyped-decorator]
        def marked(number: Any) -> Any:
            return number * 2

        @torch.compiler.disable  # type: ignore[untyped-decorator]
        def hidden(number: Any) -> Any:
            return number + 1

        sentence_transformers = import_module("sentence_transformers")
        import_module("transformers.data")
    alone = hidden(4)
    model = sentence_transformers.SentenceTransformer(local_model(), device="cpu")

    def use() -> tuple[list[float], float]:
        twice = torch.compile(lambda number: marked(number) + 1, backend="eager", fullgraph=True)
        compiled: list[float] = twice(torch.ones(2)).tolist()
        evaluation = import_module("sentence_transformers.sentence_transformer.evaluation")
        pairs = ["Bread rises.", "Tides fall."], ["Bread rose.", "Ships sail."]
        evaluator = evaluation.EmbeddingSimilarityEvaluator(*pairs, [0.9, 0.1], write_csv=False)
        return compiled, round(evaluator(model)["spearman_cosine"], 6)

    compiled, evaluated = zip(*at_once(use), strict=True)
    compiler = sys.modules[COMPILER]
    try:
        torch.compile(hidden_from(hidden), backend="eager", fullgraph=True)(torch.ones(2))
        outcome = "compiled"
    except Exception as error:
        outcome = type(error).__name__
    return json.dumps(
        {
            "compiled": compiled,
            "marked": vars(compiler)["trace_rules"].is_callable_allowed(marked),
            "hidden": outcome,
            "hidden function alone": alone,
            "evaluated": evaluated,
        }
    )


def hidden_from(function: Any) -> Any:
    return lambda number: function(number) * 2
