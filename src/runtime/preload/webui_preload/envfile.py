"""Reads env files with python-dotenv, the parser that Open WebUI itself brings and uses."""

import io
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream


class EnvFileError(Exception):
    """A file that cannot be read or a line that cannot be parsed; the text names both."""


def read_env_file(path: Path, *, interpolate: bool) -> dict[str, str]:
    """Settings of the file at ``path``, in its order.

    ``interpolate`` expands ``${NAME}`` as Open WebUI does for its own ``.env``; off for files that a program
    wrote, whose values are meant to the letter. A name without ``=`` is left out. Raises EnvFileError, whose
    text never holds a value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise EnvFileError(f"{path} cannot be read: {reason}") from error
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise EnvFileError(f"{path}, line {binding.original.line}: not of the form NAME=value")
    values = dotenv_values(stream=io.StringIO(text), interpolate=interpolate)
    return {name: value for name, value in values.items() if value is not None}
