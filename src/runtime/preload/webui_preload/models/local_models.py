"""Loads the local embedding and reranking models once, ahead of the forks, so that workers share them."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..log import complain, say
from .offline import COLBERT


@dataclass(frozen=True)
class LocalModels:
    """Names or folders of the models that each worker's start-up loads; empty where it loads none."""

    embedding: str = ""
    reranker: str = ""

    def __bool__(self) -> bool:
        return bool(self.embedding or self.reranker)


NO_MODELS = LocalModels()


def share_models(models: LocalModels) -> list[str]:
    """Load ``models``, which must be on this machine, so that the start-up of the imported app finds them loaded.

    Returns those that are shared. Nothing asks the network. No thread may be left, so torch computes with a single
    one until a worker takes a model.
    """
    environment = import_module("open_webui.env")
    if getattr(environment, "DEVICE_TYPE", "") != "cpu":
        return []  # CUDA does not survive a fork
    here = LocalModels(models.embedding, "" if COLBERT in models.reranker else models.reranker)
    if not here:
        return []
    torch = import_module("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def restore() -> None:
        torch.set_num_threads(threads)

    main: Any = import_module("open_webui.main")
    shared = []
    if here.embedding and _share_embedding(main, here.embedding, restore):
        shared.append(here.embedding)
    if here.reranker and _share_reranker(main, here.reranker, restore):
        shared.append(here.reranker)
    if not shared:
        restore()
    return shared


def _share_embedding(main: Any, model: str, restore: Callable[[], None]) -> bool:
    load = main.get_ef
    if (loaded := _load("embedding model", model, lambda: load("", model, False))) is None:
        return False

    def get_ef(engine: str, embedding_model: str, *rest: Any, **more: Any) -> Any:
        restore()
        if engine == "" and embedding_model == model and not rest and not more:
            return loaded
        return load(engine, embedding_model, *rest, **more)

    main.get_ef = get_ef
    return True


def _share_reranker(main: Any, model: str, restore: Callable[[], None]) -> bool:
    load = main.get_rf
    if (loaded := _load("reranker", model, lambda: load("", model, auto_update=False))) is None:
        return False

    def get_rf(engine: str, reranking_model: str, *external: Any, **more: Any) -> Any:
        restore()
        # ``external``: address, key and timeout of a reranker elsewhere.
        if engine != "external" and reranking_model == model and len(external) <= 3 and not more:
            return loaded
        return load(engine, reranking_model, *external, **more)

    main.get_rf = get_rf
    return True


def _load(what: str, model: str, load: Callable[[], Any]) -> Any:
    """The loaded model. Where loading fails, None, and a line in the log."""
    monitored = import_module("tqdm.std").tqdm
    interval, monitored.monitor_interval = monitored.monitor_interval, 0  # no thread that watches a progress bar
    try:
        loaded = load()
    except Exception as error:
        complain(f"the {what} {model} cannot be loaded ahead: {error!r}")
        return None
    finally:
        monitored.monitor_interval = interval
    if loaded is not None:
        say(f"loaded the {what} {model} for all workers")
    return loaded
