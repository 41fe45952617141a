"""Reads env files with python-dotenv, the parser that Open WebUI itself brings and uses."""

import io
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import parse_stream


class EnvFileError(Exception):
    """A file that cannot be read, or a line that cannot be parsed. The text names both, and never quotes a value."""

    def __init__(self, path: Path, reason: str, line: int | None = None) -> None:
        where = f"{path} cannot be read" if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {reason}")
        self.reason = reason
        self.line = line


def read_env_file(path: Path, *, interpolate: bool) -> dict[str, str]:
    """Settings of the file at ``path``, in their order there.

    ``interpolate`` expands ``${NAME}``, as Open WebUI does for its own ``.env``. It is off for files that a program
    wrote, whose values are literal. A name without ``=`` is left out. Raises EnvFileError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise EnvFileError(path, error.strerror or "it cannot be read") from error
    except UnicodeDecodeError as error:
        raise EnvFileError(path, "it is not UTF-8") from error
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            # The parser counts blank lines ahead of the faulty line as a part of it; a reader does not.
            faulty = binding.original.string
            blank = faulty[: len(faulty) - len(faulty.lstrip())]
            raise EnvFileError(path, "not of the form NAME=value", binding.original.line + blank.count("\n"))
    values = dotenv_values(stream=io.StringIO(text), interpolate=interpolate)
    return {name: value for name, value in values.items() if value is not None}
