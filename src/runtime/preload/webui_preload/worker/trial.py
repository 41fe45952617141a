"""Tries what documents need, for `webui-tune doctor`: this worker embeds a sentence and reads a page.

It uses Open WebUI's own code and settings, so that the outcome is what a user would see. It stores nothing, and needs
no account.
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

from .. import contract

#: The sentence to embed, and the page to read. The page is HTML, because Open WebUI reads plain text without the
#: engine that is configured (open_webui/retrieval/loaders/main.py, _is_text_file, 0.12.4).
SENTENCE = "The doctor asks whether this sentence is embedded."
PAGE = f"<!doctype html><html><head><title>Doctor</title></head><body><p>{SENTENCE}</p></body></html>"

#: Seconds until a trial is given up. An Ollama that loads its model first takes about ten.
LIMIT = contract.Trials.SECONDS

#: Engines that are not tried: they charge for each page, or never get a page of HTML.
UNTRIED = ("datalab_marker", "document_intelligence", "mineru", "mistral_ocr", "paddleocr_vl")

#: Characters of the longest error that is passed on.
LONGEST_ERROR = 300

#: Values of variables and settings with such names are never passed on.
_SECRET_NAME = re.compile(r"key|secret|password|token|credential|url|headers", re.IGNORECASE)
_SHORTEST_SECRET = 6

Result = dict[str, Any]


class Trials:
    """Answers "embed" and "read". Only one trial of a kind runs at a time; all who ask meanwhile share it."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Result]] = {}

    async def answer(self, question: str) -> Result:
        """The outcome; ``late`` where there was none within LIMIT seconds."""
        task = self._running.get(question)
        if task is None or task.done():
            task = asyncio.get_running_loop().create_task(_attempt(_TRIALS[question]))
            self._running[question] = task
        try:
            # A thread cannot be ended. It runs on, and no second one is started meanwhile.
            result = await asyncio.wait_for(asyncio.shield(task), LIMIT)
        except TimeoutError:
            result = {"error": f"nothing came within {LIMIT:g} s", "late": True}
        return {"pid": os.getpid(), **result}


async def _attempt(trial: Callable[[Mapping[str, Any], Result], Awaitable[None]]) -> Result:
    """Run ``trial``, which fills in the result. An error is a part of it."""
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
    # The event loop stays free: local models compute in a thread, and others are awaited.
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


def without_secrets(error: BaseException, config: Mapping[str, Any]) -> str:
    """First line of the error, without credentials of addresses or any value that may be a secret."""
    text = str(getattr(error, "detail", "") or error).strip().partition("\n")[0] or type(error).__name__
    text = re.sub(r"(\w+://)[^/\s'\"]*@", r"\1", text)
    text = re.sub(r"(\w+://[^\s'\"?]*)\?[^\s'\")]*", r"\1", text)
    for name, value in (*os.environ.items(), *config.items()):
        for part in _secret_parts(name, value):
            text = text.replace(part, "***")
    return text[:LONGEST_ERROR]


def _secret_parts(name: str, value: object) -> list[str]:
    """The parts of a setting that must not be shown: all of a key; of an address, the password and parameters."""
    if not isinstance(value, str) or not _SECRET_NAME.search(name):
        return []
    parts = [value]
    if "://" in value:
        # The rest of an address helps to find what is wrong.
        parts = re.findall(r"://[^/@\s]*:([^/@\s]+)@", value) + re.findall(r"[?&][^=&#]+=([^&#]+)", value)
    return [part for part in parts if len(part) >= _SHORTEST_SECRET]
