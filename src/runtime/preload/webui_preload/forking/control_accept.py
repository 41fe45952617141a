"""Accepts connections on the control socket, and waits while no descriptor is left for them."""

import errno
import selectors
import socket
import time
from collections.abc import Callable

from ..log import complain, say
from .control import Connection

#: Seconds for which the control socket is left alone when no descriptor is left. The connection stays in the queue,
#: and would wake us at once again.
PAUSE = 1.0

_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


class Acceptor:
    """Calls ``on_connection`` with each connection of our own user or root."""

    def __init__(
        self,
        control: socket.socket,
        selector: selectors.BaseSelector,
        on_connection: Callable[[Connection], None],
    ) -> None:
        self._control = control
        self._selector = selector
        self._on_connection = on_connection
        self._resume_at: float | None = None
        self._failing = False
        selector.register(control, selectors.EVENT_READ, self._accept)

    def wait(self) -> float | None:
        """Seconds until `resume` has something to do; None while it accepts."""
        return None if self._resume_at is None else max(0.0, self._resume_at - time.monotonic())

    def resume(self) -> None:
        """Accept again, if the pause is over."""
        if self._resume_at is not None and time.monotonic() >= self._resume_at:
            self._resume_at = None
            self._selector.register(self._control, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        self._control.close()

    def _accept(self) -> None:
        try:
            peer, _ = self._control.accept()
        except OSError as error:
            self._on_failure(error)
            return
        if self._failing:
            say("connections to the control socket are taken again")
        self._failing = False
        try:
            connection = Connection(peer)
        except (PermissionError, OSError) as error:
            complain(f"refused: {error}")
            peer.close()
            return
        self._on_connection(connection)

    def _on_failure(self, error: OSError) -> None:
        hint = ""
        if error.errno in _OUT_OF_DESCRIPTORS:
            self._selector.unregister(self._control)
            self._resume_at = time.monotonic() + PAUSE
            hint = ". Raise the limit of open files (ulimit -n); trying again every second"
        if not self._failing:
            complain(f"a connection to the control socket cannot be taken: {error.strerror}{hint}")
        self._failing = True
