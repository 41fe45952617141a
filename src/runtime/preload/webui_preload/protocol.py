"""Frames of the control socket: one JSON object a line, UTF-8.

The first frame of a connection has a ``role``, each later one a ``type``. ``frame-names.ts`` lists both, and the
other fields. Whoever sends anything else loses this connection, and nothing else.
"""

import json
from collections.abc import Iterator
from typing import Any

from .contract import LONGEST_FRAME

Frame = dict[str, Any]


class ProtocolError(Exception):
    """The peer sent something that is no frame, or not the frame that is due."""


def encode(frame: Frame) -> bytes:
    """One line, newline included."""
    return json.dumps(frame, separators=(",", ":")).encode() + b"\n"


class Decoder:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that ``data`` completes. Raises ProtocolError at the first line that is no frame."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            yield _parse(line)
        if len(self._buffer) > LONGEST_FRAME:
            raise ProtocolError(f"a frame longer than {LONGEST_FRAME} bytes")


def _parse(line: bytes) -> Frame:
    if len(line) > LONGEST_FRAME:
        raise ProtocolError(f"a frame longer than {LONGEST_FRAME} bytes")
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a line that is not JSON") from error
    if not isinstance(frame, dict):
        raise ProtocolError("a line that is not a JSON object")
    return frame


def text(frame: Frame, key: str, limit: int = 200) -> str:
    """The string under ``key``; raises ProtocolError where it is missing, too long, not printable or no string.

    Names appear in the log, where a line break would look like a line of ours.
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
