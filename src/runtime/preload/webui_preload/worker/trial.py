"""Tries in a worker, for `webui-tune doctor`, what documents need: embedding a sentence and reading a page.

Both go through Open WebUI's own code with its own settings, so that the answer is what a user would see. Nothing is
stored, no account is needed.
"""

import asyncio
import math
import os
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from inspect import isawaitable
from typing import Any

#: What is embedded, and what is read. A page of HTML, because Open WebUI reads plain text by itself whatever engine
#: is configured (open_webui/retrieval/loaders/main.py, _is_text_file, 0.12.4).
SENTENCE = "The doctor asks whether this sentence is embedded."
PAGE = f"<!doctype html><html><head><title>Doctor</title></head><body><p>{SENTENCE}</p></body></html>"

#: Seconds until a trial is given up; contract.ts, TRIALS. An Ollama that loads its model first takes about ten.
LIMIT = 20.0

#: Engines that would cost money for each page, or that never get a page of HTML: not tried.
UNTRIED = ("datalab_marker", "document_intelligence", "mineru", "mistral_ocr", "paddleocr_vl")

#: Characters of an error that are passed on.
LONGEST_ERROR = 300

#: Values that are never passed on: those of variables and settings with such a name.
_SECRET_NAME = re.compile(r"key|secret|password|token|credential|url|headers", re.IGNORECASE)
_SHORTEST_SECRET = 6

Result = dict[str, Any]


class Trials:
    """Answers the questions "embed" and "read"; one trial of a kind at a time, whoever asks meanwhile shares it."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Result]] = {}

    async def answer(self, question: str) -> Result:
        """What came of it; ``late`` where nothing did within LIMIT seconds."""
        task = self._running.get(question)
        if task is None or task.done():
            task = asyncio.get_running_loop().create_task(_attempt(_TRIALS[question]))
            self._running[question] = task
        try:
            # A thread cannot be ended: it goes on, and no second one is started meanwhile.
            result = await asyncio.wait_for(asyncio.shield(task), LIMIT)
        except TimeoutError:
            result = {"error": f"nothing came within {LIMIT:g} s", "late": True}
        return {"pid": os.getpid(), **result}


async def _attempt(trial: Callable[[Mapping[str, Any], Result], Awaitable[None]]) -> Result:
    """Run ``trial``, which fills in what it finds. Whatever goes wrong is part of the answer."""
    result: Result = {}
    config: Mapping[str, Any] = {}
    try:
        config = await _config()
        started = time.monotonic()
        await trial(config, result)
        result["ms"] = round((time.monotonic() - started) * 1000)
    except Exception as error:
        result["error"] = without_secrets(error, config)
    return result


async def _config() -> dict[str, Any]:
    """The settings of documents, as the app reads them for each upload."""
    keys = import_module("open_webui.routers.retrieval").RETRIEVAL_CONFIG_KEYS.values()
    stored: dict[str, Any] = await import_module("open_webui.models.config").Config.get_many(*keys)
    return stored


async def _embed(config: Mapping[str, Any], result: Result) -> None:
    result["engine"] = config.get("rag.embedding_engine") or ""
    result["model"] = config.get("rag.embedding_model") or ""
    result["bypassed"] = config.get("rag.bypass_embedding_and_retrieval") is True
    embed = import_module("open_webui.main").app.state.EMBEDDING_FUNCTION
    # Local models compute in a thread, others are waited for: the event loop stays free.
    vector = embed(SENTENCE)
    if isawaitable(vector):
        vector = await vector
    numbers = [float(number) for number in vector or ()]
    if not numbers or not all(math.isfinite(number) for number in numbers):
        raise ValueError("what came back is no vector of numbers")
    result["dimensions"] = len(numbers)


async def _read(config: Mapping[str, Any], result: Result) -> None:
    engine = result["engine"] = config.get("rag.content_extraction_engine") or ""
    if engine in UNTRIED:
        result["untried"] = True
        return
    build = import_module("open_webui.retrieval.utils").build_loader_from_config
    with tempfile.NamedTemporaryFile("w", suffix=".html", prefix="webui-tune-doctor-") as page:
        page.write(PAGE)
        page.flush()
        documents = await build(config).aload("doctor.html", "text/html", page.name)
    if SENTENCE not in " ".join(" ".join(document.page_content for document in documents).split()):
        raise ValueError("what came back is not the text of the page")


_TRIALS = {"embed": _embed, "read": _read}
QUESTIONS = tuple(_TRIALS)


def without_secrets(error: BaseException, config: Mapping[str, Any]) -> str:
    """First line of the error, without credentials in addresses and without any value that may be a secret."""
    text = str(getattr(error, "detail", "") or error).strip().partition("\n")[0] or type(error).__name__
    text = re.sub(r"(\w+://)[^/\s'\"]*@", r"\1", text)
    text = re.sub(r"(\w+://[^\s'\"?]*)\?[^\s'\")]*", r"\1", text)
    for name, value in (*os.environ.items(), *config.items()):
        for part in _secret_parts(name, value):
            text = text.replace(part, "***")
    return text[:LONGEST_ERROR]


def _secret_parts(name: str, value: object) -> list[str]:
    """What of a setting must not be shown: all of a key, the credentials and parameters of an address."""
    if not isinstance(value, str) or not _SECRET_NAME.search(name):
        return []
    parts = [value]
    if "://" in value:
        # An address is worth showing, and helps to find what is wrong.
        parts = re.findall(r"://[^/@\s]*:([^/@\s]+)@", value) + re.findall(r"[?&][^=&#]+=([^&#]+)", value)
    return [part for part in parts if len(part) >= _SHORTEST_SECRET]
