"""Spares aiohttp its look for proxies and passwords ahead of each request, where there are none to be found.

The app asks for the embedding of each piece of a document, and trusts the environment each time: in two threads,
aiohttp reads the variables of proxies and the user's .netrc. That was a fifth of a document's time (docs/speed.md).
"""

import functools
import inspect
import os
from pathlib import Path
from typing import Any
from urllib.request import getproxies


def spare_environment() -> bool:
    """Whether sessions made from now on look for neither. For a process that ends soon: it looks once, now.

    False where there is one of them, or this aiohttp is not known.
    """
    import aiohttp  # an import of Open WebUI's, which must not come before it

    if _has_proxy() or _has_netrc() or "trust_env" not in inspect.signature(aiohttp.ClientSession).parameters:
        return False
    init = aiohttp.ClientSession.__init__

    @functools.wraps(init)
    def without_environment(self: Any, *args: Any, **named: Any) -> None:
        init(self, *args, **{**named, "trust_env": False})

    aiohttp.ClientSession.__init__ = without_environment  # type: ignore[method-assign]
    return True


def _has_proxy() -> bool:
    """``no`` is where none is to be asked (urllib.request.getproxies)."""
    return any(scheme != "no" for scheme in getproxies())


def _has_netrc() -> bool:
    """As aiohttp finds it (aiohttp.helpers.netrc_from_env, 3.14)."""
    if os.environ.get("NETRC") is not None:
        return True
    try:
        return Path("~/.netrc").expanduser().exists()
    except (RuntimeError, OSError):  # there is no home; or what is in it cannot be asked for
        return True
