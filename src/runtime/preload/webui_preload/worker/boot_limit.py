"""Ends a worker that hangs in its start-up, and has it say where: its supervisor then asks for another.

A watchdog of the interpreter's own keeps the time, because a start-up that hangs may hold the interpreter's lock.
"""

import faulthandler

from ..contract import READY_SECONDS

#: Seconds in which a start-up has to come further: as long as PM2 waits for an instance. An import takes 12 to 33 s
#: on two cores; the models of a slow machine may take minutes.
SECONDS = float(READY_SECONDS)


def came_further(seconds: float = SECONDS) -> None:
    """Count anew: to wait for a service is no hang."""
    faulthandler.dump_traceback_later(seconds, exit=True)


def is_over() -> None:
    """It serves, or does something now that may take as long as it likes."""
    faulthandler.cancel_dump_traceback_later()
