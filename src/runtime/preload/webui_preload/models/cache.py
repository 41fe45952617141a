"""Looks models up in the Hugging Face cache, as Open WebUI's ``get_model_path`` does, but by its files alone.

The layout is the cache's own (huggingface_hub, "Understand caching")::

    models--OWNER--NAME/refs/main               the revision that `main` is
                        snapshots/REVISION/…    the files of that revision, links into blobs/
                        blobs/                  their contents
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

#: Files with a model's weights: torch's, or those of another backend of sentence_transformers.
_WEIGHTS = re.compile(r"(.*\.safetensors|pytorch_model.*\.bin|.*\.onnx|openvino_model.*\.bin)")

#: Files of a tokenizer, which turns text into tokens.
_TOKENIZER = re.compile(r"(tokenizer\.json|vocab\..*|.*\.model)")

#: Modules of sentence_transformers that have no files of their own.
_WITHOUT_FILES = ("Normalize",)

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
DEFAULT_ENDPOINT = "https://huggingface.co"

#: Bytes: the end of a JSON file, with the white space that may follow; the longest header that safetensors reads.
_JSON_END, _LONGEST_HEADER = 1024, 100_000_000

_REVISION = re.compile(r"[0-9a-f]{40}")


def models_folder(environ: Mapping[str, str]) -> Path:
    """Where Open WebUI keeps sentence_transformers' models: SENTENCE_TRANSFORMERS_HOME, else the hub's cache."""
    if own := environ.get("SENTENCE_TRANSFORMERS_HOME"):
        return Path(_expand(own, environ))
    # huggingface_hub/constants.py (1.33)
    cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = environ.get("HF_HOME", os.path.join(cache, "huggingface"))
    hub = environ.get("HF_HUB_CACHE", environ.get("HUGGINGFACE_HUB_CACHE", os.path.join(home, "hub")))
    return Path(_expand(hub, environ))


def endpoint_of(environ: Mapping[str, str]) -> str:
    """Address of the hub, without a slash at its end."""
    return (environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def repository_of(model: str) -> str:
    """The repository (owner/name) that ``model`` names; empty where ``model`` can only be a folder."""
    name = model if "/" in model else f"sentence-transformers/{model}"
    return name if _REPOSITORY.fullmatch(name) else ""


def storage_folder(repository: str, environ: Mapping[str, str]) -> Path:
    """Folder of the repository in the cache, which need not exist."""
    return models_folder(environ) / f"models--{repository.replace('/', '--')}"


def find_model(model: str, environ: Mapping[str, str]) -> str:
    """Path of ``model`` where all of it is on this machine, else empty.

    If ``model`` is a path that exists, it is the user's own folder, which is not checked.
    """
    if os.path.exists(model):
        return model
    snapshot = current_snapshot(repository_of(model), environ)
    return str(snapshot) if snapshot and is_whole(snapshot, environ) else ""


def current_snapshot(repository: str, environ: Mapping[str, str]) -> Path | None:
    """The folder in the cache of the revision that is `main`; None where there is none."""
    if not repository:
        return None
    storage = storage_folder(repository, environ)
    try:
        revision = (storage / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    snapshot = storage / "snapshots" / revision
    return snapshot if _REVISION.fullmatch(revision) and snapshot.is_dir() else None


def is_whole(snapshot: Path, environ: Mapping[str, str]) -> bool:
    """Whether a model can be loaded from the folder: it has settings, modules, weights, tokenizer and code.

    A download or a copy that was cut off leaves links to nothing, or a part of a file: those files are missing.
    """
    files = {path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if _is_complete(path)}
    names = [file.rpartition("/")[2] for file in files]
    if not {"config.json", "modules.json"} & files:
        return False
    if not any(map(_WEIGHTS.fullmatch, names)) or not any(map(_TOKENIZER.fullmatch, names)):
        return False
    indexes = [file for file in files if file.endswith(".index.json")]
    if not all(_shards(snapshot, index) <= files for index in indexes):
        return False
    if not all(any(file.startswith(f"{folder}/") for file in files) for folder in _module_folders(snapshot)):
        return False
    return all(_has_code(repository, module, environ) for repository, module in code_elsewhere(snapshot))


def _is_complete(path: Path) -> bool:
    """Whether it is a file, and its end is there as far as its format tells."""
    if not path.is_file():
        return False
    size = path.stat().st_size
    with path.open("rb") as file:
        if path.suffix == ".safetensors":
            return size >= _safetensors_size(file)
        if path.suffix == ".json":
            file.seek(max(0, size - _JSON_END))
            return file.read().rstrip().endswith((b"}", b"]"))
    return size > 0


def _safetensors_size(file: BinaryIO) -> float:
    """Bytes that the whole file has by its header (safetensors, "Format"); infinite where that cannot be read."""
    try:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(length, _LONGEST_HEADER)))
        ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
        return 8 + length + max(ends, default=0)
    except (ValueError, TypeError, LookupError, AttributeError):
        return float("inf")


def code_elsewhere(snapshot: Path) -> set[tuple[str, str]]:
    """Repositories and file names of the code that the model takes from repositories other than its own."""
    found = set()
    for config in snapshot.rglob("config.json"):
        classes = read_json(config)
        for value in _strings(classes.get("auto_map") if isinstance(classes, dict) else None):
            # OWNER/NAME--MODULE.CLASS (transformers, dynamic_module_utils)
            repository, separator, name = value.partition("--")
            if separator and _REPOSITORY.fullmatch(repository):
                found.add((repository, f"{name.rpartition('.')[0]}.py"))
    return found


def read_json(path: Path) -> Any:
    """What the file holds; None where it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _has_code(repository: str, module: str, environ: Mapping[str, str]) -> bool:
    snapshot = current_snapshot(repository, environ)
    return snapshot is not None and (snapshot / module).is_file()


def _shards(snapshot: Path, index: str) -> set[str]:
    content = read_json(snapshot / index)
    folder = index.rpartition("/")[0]
    shards = content.get("weight_map", {}).values() if isinstance(content, dict) else ()
    return {f"{folder}/{shard}" if folder else str(shard) for shard in shards}


def _module_folders(snapshot: Path) -> Iterator[str]:
    modules = read_json(snapshot / "modules.json")
    for module in modules if isinstance(modules, list) else ():
        kind = str(module.get("type", "")).rpartition(".")[2]
        if module.get("path") and kind not in _WITHOUT_FILES:
            yield str(module["path"])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part)


def _expand(path: str, environ: Mapping[str, str]) -> str:
    home = environ.get("HOME") or os.path.expanduser("~")
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    return re.sub(
        r"\$(\w+|\{\w+\})", lambda match: environ.get(match[1].strip("{}"), match[0]), os.path.expanduser(path)
    )
