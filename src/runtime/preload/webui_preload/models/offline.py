"""Keeps Hugging Face's libraries, and the app's start-up which uses them, from asking the network."""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from .cache import find_model

#: Hugging Face's libraries read these at their import; the first one counts more (huggingface_hub/constants.py).
NAMES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

_CONSTANTS = "huggingface_hub.constants"

#: A reranker with this in its name is no cross-encoder: Open WebUI tells by the name (get_rf, 0.12.4).
COLBERT = "jinaai/jina-colbert-v2"


def offline_setting(environ: Mapping[str, str]) -> str:
    """Name of the user's setting that keeps Hugging Face's libraries off the network; empty where there is none."""
    if environ.get("OFFLINE_MODE", "").lower() == "true":
        return "OFFLINE_MODE"
    for name in NAMES:
        if value := environ.get(name):
            return name if value.upper() in ("1", "ON", "YES", "TRUE") else ""
    return ""


def go_offline() -> None:
    """Keep this process and its children off Hugging Face, unless the user has set one of the variables."""
    if any(os.environ.get(name) for name in NAMES):
        return
    os.environ["HF_HUB_OFFLINE"] = "1"
    if constants := sys.modules.get(_CONSTANTS):
        vars(constants)["HF_HUB_OFFLINE"] = True


@contextlib.contextmanager
def without_network() -> Iterator[None]:
    """While active, Hugging Face's libraries in this process use what is on this machine.

    They read the constant before each request (huggingface_hub.is_offline_mode, 1.33).
    """
    constants: Any = importlib.import_module(_CONSTANTS)
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def start_without_network(main: Any) -> None:
    """Let the start-up of the app load its models from this machine, or none.

    Open WebUI asks the network for a newer model at every start of a worker, and tries for 71 s where it does not get
    there (0.12.4). Each worker would fetch a missing model for itself.

    ``main``: the module open_webui.main, which uses the two functions in its start-up alone.
    """
    if not hasattr(main, "get_ef") or not hasattr(main, "get_rf"):
        return  # another version, whose start-up is left alone
    load_embedding, load_reranker = main.get_ef, main.get_rf

    def get_ef(engine: str, embedding_model: str, *rest: Any, **more: Any) -> Any:
        if engine or not embedding_model:
            return load_embedding(engine, embedding_model, *rest, **more)
        path = find_model(embedding_model, os.environ)
        if not path:
            return None
        with without_network():
            return load_embedding(engine, path, *rest, **more)

    def get_rf(engine: str, reranking_model: str, *rest: Any, **more: Any) -> Any:
        if engine == "external" or not reranking_model:
            return load_reranker(engine, reranking_model, *rest, **more)
        path = find_model(reranking_model, os.environ)
        if not path:
            return None
        named = reranking_model if COLBERT in reranking_model else path
        with without_network():
            return load_reranker(engine, named, *rest, **more)

    main.get_ef, main.get_rf = get_ef, get_rf
