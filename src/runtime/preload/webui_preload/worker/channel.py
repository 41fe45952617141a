"""A worker's conversation with its supervisor, on the event loop, so that it shows that the loop turns."""

import asyncio
import socket
from collections.abc import Callable

from ..contract import Frames
from ..log import complain
from ..protocol import Decoder, Frame, ProtocolError, encode

#: Seconds between two signs of life. An event loop that stands still sends none, which the supervisor notices
#: (health.ts).
BEAT_SECONDS = 1.0


class SupervisorChannel:
    """Calls ``on_frame`` for each frame that arrives, and ``on_gone`` once at the end of the channel.

    ``on_frame`` may raise ProtocolError, which ends it.
    """

    def __init__(
        self,
        control: socket.socket,
        on_frame: Callable[[Frame], None],
        on_gone: Callable[[], None],
        stats: Callable[[], Frame],
    ) -> None:
        self._control = control
        self._on_frame = on_frame
        self._on_gone = on_gone
        self._stats = stats
        self._decoder = Decoder()

    def open(self) -> None:
        """Listen to the supervisor. Call it on the event loop."""
        asyncio.get_running_loop().add_reader(self._control, self._read)

    async def beat(self) -> None:
        """Send beats for ever."""
        while True:
            self.send_beat()
            await asyncio.sleep(BEAT_SECONDS)

    def send_beat(self) -> None:
        """Say that the loop turns. The counts come along, so that nobody has to ask a busy worker for them."""
        self.send({"type": Frames.BEAT, **self._stats()})

    def send(self, frame: Frame) -> None:
        try:
            self._control.send(encode(frame))
        except OSError:
            pass  # the supervisor is gone; the reader sees it

    def move(self, control: socket.socket) -> None:
        """Talk to another supervisor from now on, at the other end of ``control``."""
        self.send({"type": Frames.MOVED})
        self._close()
        self._control = control
        self._decoder = Decoder()
        self.open()

    def _read(self) -> None:
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        control = self._control
        try:
            if not data:
                raise ProtocolError("the supervisor is gone")
            for frame in self._decoder.feed(data):
                self._on_frame(frame)
                if self._control is not control:
                    return  # the rest is from the former supervisor, and void
        except ProtocolError as error:
            asyncio.get_running_loop().remove_reader(self._control)
            complain(f"{error}: leaving")
            self._on_gone()

    def _close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
