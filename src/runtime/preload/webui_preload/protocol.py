"""Frames of the control socket: one JSON object a line, UTF-8.

A connection says first what it is for (``role``):

``supervisor``  the conversation between one cluster worker and this process
``channel``     becomes a descriptor of a worker: its control channel, stdout or stderr
``listener``    a live worker hands over the listening socket (SCM_RIGHTS)

Everything else has a ``type``. A frame that is not of this form is the end of its connection and of nothing
else.
"""

import json
from collections.abc import Iterator
from typing import Any

Frame = dict[str, Any]

#: Bytes of the longest line taken. The longest honest one is under 1 KiB.
MAX_FRAME_BYTES = 16 * 1024


class ProtocolError(Exception):
    """The peer sent something that is not a frame."""


def encode(frame: Frame) -> bytes:
    """One line, newline included."""
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


class Decoder:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that ``data`` completes; raises ProtocolError on the first that is none."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            yield _parse(line)
        if len(self._buffer) > MAX_FRAME_BYTES:
            raise ProtocolError(f"a frame longer than {MAX_FRAME_BYTES} bytes")


def _parse(line: bytes) -> Frame:
    if len(line) > MAX_FRAME_BYTES:
        raise ProtocolError(f"a frame longer than {MAX_FRAME_BYTES} bytes")
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a line that is not JSON") from error
    if not isinstance(frame, dict):
        raise ProtocolError("a line that is not a JSON object")
    return frame


def text(frame: Frame, key: str, limit: int = 200) -> str:
    """The string under ``key``; raises ProtocolError where it is missing, too long, not printable or no string.

    Names go into the log, where a line break would pass for a line of ours.
    """
    value = frame.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= limit or not value.isprintable():
        raise ProtocolError(f"no usable {key!r}")
    return value


def number(frame: Frame, key: str, minimum: float, maximum: float) -> float:
    """The number under ``key``; raises ProtocolError where it is missing or out of range."""
    value = frame.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not minimum <= value <= maximum:
        raise ProtocolError(f"no usable {key!r}")
    return value
