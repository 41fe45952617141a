"""Which Open WebUI is installed, and how: from pip, or as the source tree of its own container image."""

import importlib.metadata
import importlib.util
import json
from pathlib import Path


def open_webui_version() -> str:
    """Version, without importing it; raises PackageNotFoundError where there is none."""
    tree = source_tree()
    if tree is None:
        return importlib.metadata.version("open-webui")
    return str(json.loads((tree / "package.json").read_text(encoding="utf-8"))["version"])


def source_tree() -> Path | None:
    """Root of the source tree that would be imported (the image has it in /app); None: a package of pip.

    As in open_webui/env.py: the package lies in ROOT/backend/open_webui, ROOT/package.json has its version.
    """
    spec = importlib.util.find_spec("open_webui")
    if not spec or not spec.origin:
        return None
    backend = Path(spec.origin).parent.parent
    is_tree = backend.name == "backend" and (backend.parent / "package.json").is_file()
    return backend.parent if is_tree else None
