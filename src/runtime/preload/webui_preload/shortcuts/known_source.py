"""Whether functions of Open WebUI and its libraries are exactly those that a shortcut was made for."""

import hashlib
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from ..log import complain


def are_known(what: str, functions: Mapping[str, str]) -> bool:
    """Whether all of ``module:function`` have these digests; says in the log which of them do not."""
    changed = changed_functions(functions)
    if changed:
        complain(f"{what} is not what is known, and left alone: {', '.join(changed)}")
    return not changed


def changed_functions(known: Mapping[str, str]) -> list[str]:
    """Those of ``module:function`` whose source has another digest."""
    return [name for name, digest in known.items() if digest_of(name) != digest]


def digest_of(name: str) -> str | None:
    """SHA-256, 16 digits of it, of the source of ``module:function``; None where there is no such."""
    module, _, path = name.partition(":")
    try:
        function: Any = importlib.import_module(module)
        for part in path.split("."):
            function = getattr(function, part)
        return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]
    except (ImportError, AttributeError, TypeError, OSError):
        return None
