"""Which Open WebUI is installed, and how (by pip, or as the source tree of its container image); which torch.

The tuner's probe.py uses this code too. Nothing here imports Open WebUI or torch.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path


def open_webui_version() -> str:
    """Version, without importing it; raises PackageNotFoundError where there is none."""
    tree = source_tree()
    if tree is None:
        return importlib.metadata.version("open-webui")
    return str(json.loads((tree / "package.json").read_text(encoding="utf-8"))["version"])


def source_tree() -> Path | None:
    """Root of the source tree that would be imported (/app in the image); None where pip installed a package.

    As in open_webui/env.py: the package lies in ROOT/backend/open_webui, ROOT/package.json has its version.
    """
    spec = importlib.util.find_spec("open_webui")
    if not spec or not spec.origin:
        return None
    backend = Path(spec.origin).parent.parent
    is_tree = backend.name == "backend" and (backend.parent / "package.json").is_file()
    return backend.parent if is_tree else None


def torch_build() -> str:
    """Version of torch with its build, such as ``2.13.0+cpu``; ``none`` where it is not installed.

    PyPI's large build has no label of its own. It is called ``2.14.1 (CUDA)`` where the libraries of NVIDIA that it
    requires are installed too.
    """
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "none"
    if "+" in version:
        return version
    names = [re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in importlib.metadata.requires("torch") or []]
    return f"{version} (CUDA)" if any(_is_installed(name) for name in names if name.startswith("nvidia")) else version


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def open_webui_folder() -> Path:
    """Folder of the installed package, without importing it; raises ModuleNotFoundError."""
    spec = importlib.util.find_spec("open_webui")
    if not spec or not spec.origin:
        raise ModuleNotFoundError("open_webui")
    return Path(spec.origin).parent
