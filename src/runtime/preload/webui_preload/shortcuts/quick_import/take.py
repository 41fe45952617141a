"""Spares the import of Open WebUI what no worker needs; docs/speed.md has the figures."""

import contextlib
import os
from collections.abc import Iterator

from ...configured import Configured
from ...log import complain
from .changelog import shown_versions_alone
from .package_owners import packages_asked_singly
from .placeholder_hash import ready_made_hash
from .routes_once import routes_built_once
from .seldom_used import seldom_used_put_off
from .torch_compiler import compiler_put_off


@contextlib.contextmanager
def quick_import(configured: Configured, *, torch: bool) -> Iterator[None]:
    """While active, an import of the app is quicker. A version that is not as expected is imported as it is.

    ``torch``: it is imported too.
    """
    with contextlib.ExitStack() as spared:
        spared.enter_context(seldom_used_put_off(os.environ, configured))
        if torch:
            spared.enter_context(compiler_put_off())
            spared.enter_context(packages_asked_singly())
        try:
            spared.enter_context(ready_made_hash())
            if not spared.enter_context(shown_versions_alone()):
                complain("the app's changelog is not shown as is known: all of it is read")
            if not spared.enter_context(routes_built_once()):
                complain("this FastAPI builds its routes in another way than is known: all of them are built")
        except (ImportError, OSError) as error:
            complain(f"not the Open WebUI whose import can be made quicker: {error!r}")
        yield
