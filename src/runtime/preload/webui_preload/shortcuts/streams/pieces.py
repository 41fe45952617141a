"""The lines of an upstream's answer: pieces of text that follow each other become one line."""

from typing import Any, NamedTuple

import orjson

#: Where a line holds the model's words (open_webui/utils/middleware.py, 0.12.4).
_TEXTS = ("content", "reasoning_content", "reasoning", "thinking")

#: What of a line is looked at for itself: such a line is handled as it is.
_TOLD = ("event", "selected_model_id", "type", "error", "timings", "usage")


class _Piece(NamedTuple):
    #: The member of the delta that holds the text.
    kind: str
    text: str
    #: The line's JSON.
    data: dict[str, Any]


class Lines:
    """Splits what an upstream sends into lines, and joins the pieces of text among them.

    ``marks`` are the characters that a tag such as ``</think>`` may end with. The app looks for tags whenever text is
    added, and does more where one is complete: so a piece that may complete one stays a line of its own.
    """

    def __init__(self, marks: str) -> None:
        self._marks = marks
        self._rest = bytearray()
        self._ready: list[bytes] = []
        self._run: list[_Piece] = []
        self._line = b""

    @property
    def kind(self) -> str | None:
        """Which text the lines hold that wait; None where there is none, or something else beside it."""
        return self._run[0].kind if self._run and not self._ready else None

    @property
    def waiting(self) -> int:
        """How many pieces of text wait at the end."""
        return len(self._run)

    def feed(self, data: bytes) -> int:
        """Take what has arrived; how many pieces of text it held."""
        self._rest += data
        if b"\n" not in data:
            return 0
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        pieces = 0
        for line in lines:
            if not line or line.isspace():
                continue  # the app skips them
            piece = _piece_of(line, self._marks)
            if piece is None:
                self._end_run()
                self._ready.append(line + b"\n")
                continue
            pieces += 1
            if self._run and self._run[0].kind != piece.kind:
                self._end_run()
            self._run.append(piece)
            self._line = line
        return pieces

    def take(self) -> list[bytes]:
        """All lines that are complete."""
        self._end_run()
        ready, self._ready = self._ready, []
        return ready

    def take_rest(self) -> bytes:
        """The line that the upstream did not end."""
        return bytes(self._rest)

    def _end_run(self) -> None:
        if len(self._run) == 1:
            self._ready.append(self._line + b"\n")
        elif self._run:
            kind, _, data = self._run[-1]
            data["choices"][0]["delta"][kind] = "".join(piece.text for piece in self._run)
            self._ready.append(b"data: " + orjson.dumps(data) + b"\n")
        self._run = []


def _piece_of(line: bytes, marks: str) -> _Piece | None:
    """The text of a line that does nothing but add that to the answer; None: it may do more."""
    if not line.startswith(b"data:"):
        return None
    try:
        data = orjson.loads(line[5:])
    except orjson.JSONDecodeError:
        return None  # the end of the answer, or what the app makes of it
    if type(data) is not dict or any(data.get(name) for name in _TOLD):
        return None
    choices = data.get("choices")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
        return None
    delta = choices[0].get("delta")
    if choices[0].get("finish_reason") or type(delta) is not dict:
        return None
    held = [name for name, value in delta.items() if value and name != "role"]
    if len(held) != 1 or held[0] not in _TEXTS:
        return None
    text = delta[held[0]]
    if type(text) is not str or any(mark in text for mark in marks):
        return None
    return _Piece(held[0], text, data)
