"""Spares the import of Open WebUI what no worker needs; docs/speed.md has the figures."""

import contextlib
from collections.abc import Iterator

from ...log import complain
from .changelog import shown_versions_alone
from .placeholder_hash import ready_made_hash


@contextlib.contextmanager
def quick_import() -> Iterator[None]:
    """While active, an import of the app is quicker. A version that is not as expected is imported as it is."""
    with contextlib.ExitStack() as spared:
        try:
            spared.enter_context(ready_made_hash())
            if not spared.enter_context(shown_versions_alone()):
                complain("the app's changelog is not shown as is known: all of it is read")
        except (ImportError, OSError) as error:
            complain(f"not the Open WebUI whose import can be made quicker: {error!r}")
        yield
