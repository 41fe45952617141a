"""``vectors-make``: has Open WebUI make its table of chunks, and later the indexes of what was copied.

It is a command of its own, as Open WebUI takes more memory for it than all else: it is not run beside a copy.
"""

import time

from ..answers import Answers
from ..meter import largest_memory
from .look import store_of
from .messages import VectorsMadeResult, VectorsMakeRequest
from .table import require_indexes, require_table


def run(request: VectorsMakeRequest, answers: Answers) -> VectorsMadeResult:
    started = time.monotonic()
    if store_of(request["env"]) == "chroma":
        make = require_indexes if request["indexes"] else require_table
        make(request["env"], request["target"])
    return {"seconds": time.monotonic() - started, "memory": largest_memory()}
