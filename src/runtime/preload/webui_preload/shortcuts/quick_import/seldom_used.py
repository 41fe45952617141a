"""Puts off libraries that the app imports for few installations.

Clients of object stores, where uploads are files: 15 MiB of the lean level's 254, 0.3 of 5.8 s of CPU. The client for
MCP servers, where none is configured: 16 MiB, 0.5 s. What trains and measures models, which nothing of the app does:
some 80 of the whole level's 538 MiB, 0.7 of 6.3 s. A worker that is asked for one of them imports it then.
"""

import contextlib
import importlib.util
import sys
from collections.abc import Collection, Iterator, Mapping
from types import ModuleType
from typing import Any

from ...configured import Configured
from .stand_ins import put_off

#: open_webui/storage/provider.py (0.12.4) uses them where STORAGE_PROVIDER is s3, gcs or azure. azure.identity is not
#: among them: the loaders of documents import it too. accelerate, a library of local models, asks in a dialogue about
#: SageMaker.
OBJECT_STORES: Mapping[str, Collection[str]] = {
    "accelerate.commands.config.sagemaker": ("boto3",),
    "open_webui.storage.provider": (
        "boto3",
        "botocore.config",
        "botocore.exceptions",
        "azure.core.exceptions",
        "azure.storage.blob",
        "google.cloud",
        "google.cloud.exceptions",
    ),
}

#: These call it for a tool server of type "mcp".
MCP_CLIENT: Mapping[str, Collection[str]] = {
    "open_webui.routers.configs": ("open_webui.utils.mcp.client",),
    "open_webui.utils.tools": ("open_webui.utils.mcp.client",),
}

#: langchain_core 1.4.8 keeps a record of a hybrid search in its class.
TRACER: Mapping[str, Collection[str]] = {"langchain_core.tracers.schemas": ("langsmith",)}

#: For a command line, and for pages that show errors in templates.
BY_HAND: Mapping[str, Collection[str]] = {
    "httpx": ("httpx._main",),
    "mako.exceptions": ("mako.ext.pygmentplugin",),
}

#: The parts of sentence_transformers for each kind of model that train it; it is loaded and asked without them.
_TRAINERS = ("trainer", "training_args", "data_collator")

#: Those of transformers that need scipy.
_LOSSES = ("deformable_detr", "for_object_detection", "grounding_dino", "lw_detr", "rt_detr")


def _of(package: str, *parts: str) -> Collection[str]:
    return tuple(f"{package}.{part}" for part in parts)


#: sentence_transformers 5.5.1 and transformers 5.5.4: what trains a model, its losses and its marks. They bring in
#: scikit-learn, scipy and pandas.
TRAINING: Mapping[str, Collection[str]] = {
    "sentence_transformers": _of(
        "sentence_transformers",
        "backend",
        "base.sampler",
        "sentence_transformer.datasets",
        "sentence_transformer.trainer",
        "sentence_transformer.training_args",
        "sparse_encoder",
    ),
    "sentence_transformers.base": _of("sentence_transformers.base", *_TRAINERS, "sampler"),
    "sentence_transformers.sentence_transformer": _of("sentence_transformers.sentence_transformer", *_TRAINERS),
    "sentence_transformers.cross_encoder": _of("sentence_transformers.cross_encoder", *_TRAINERS),
    "sentence_transformers.util.similarity": ("sklearn.metrics",),
    "sentence_transformers.util.tensor": ("scipy.sparse",),
    "transformers.data": ("transformers.data.metrics",),
    "transformers.generation.candidate_generator": ("sklearn.metrics",),
    **{f"transformers.loss.loss_{loss}": ("scipy.optimize",) for loss in _LOSSES},
    "transformers.masking_utils": ("torch._dynamo._trace_wrapped_higher_order_op",),
}


@contextlib.contextmanager
def seldom_used_put_off(environ: Mapping[str, str], configured: Configured) -> Iterator[None]:
    """While active, what these settings do not use is put off."""
    seldom = {**BY_HAND, **TRAINING}
    if environ.get("STORAGE_PROVIDER", "local").lower() == "local":
        seldom |= OBJECT_STORES
    if not configured.mcp:
        seldom |= MCP_CLIENT
    if not configured.hybrid_search:
        seldom |= TRACER
    with put_off(seldom), contextlib.nullcontext() if configured.mcp else _models_of_mcp_alone():
        yield


@contextlib.contextmanager
def _models_of_mcp_alone() -> Iterator[None]:
    """While active, ``mcp.shared.auth`` can be imported without all of its package.

    open_webui/utils/oauth.py and routers/configs.py (0.12.4) take models from it, which need nothing of the package.
    Whoever imports the package later gets all of it, with models of its own: the app's are never given to it.
    """
    spec = importlib.util.find_spec("mcp")
    if spec is None or spec.submodule_search_locations is None or "mcp" in sys.modules:
        yield
        return
    package = _Package("mcp")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["mcp"] = package
    try:
        yield
    finally:
        if sys.modules["mcp"] is package:
            _forget("mcp")


class _Package(ModuleType):
    """A package without its own code, until more is asked of it than its modules."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or sys.modules.get("mcp") is not self:
            raise AttributeError(name)
        _forget("mcp")
        return getattr(importlib.import_module("mcp"), name)


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
