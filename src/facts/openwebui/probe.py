"""Tells about the Open WebUI that is installed for the interpreter which runs this file.

webui-tune runs it, puts its question as JSON on stdin and reads the answer as JSON from stdout. Open WebUI itself is
not imported: that takes seven seconds, this takes a tenth of one. The syntax is that of Python 3.7, so that an
interpreter which is too old can still say so.

Question: {"env_file": path or null, "data_dirs": [path, ...], "secrets_name": name, "config_keys": [key, ...],
"requirements": [as pip takes them, ...]}
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Any

#: os.getenv('X'), os.environ.get('X'), os.environ['X'], environ.get('X')
READS_VARIABLE = re.compile(rb"""(?:getenv|environ\.get|environ)\s*[(\[]\s*['"]([A-Za-z_][A-Za-z0-9_]*)['"]""")

#: Folders without Python of its own, and with thousands of files.
WITHOUT_PYTHON = ("frontend", "static", "data", "__pycache__")

PYTHON_VERSION = ".".join(str(part) for part in sys.version_info[:3])


def describe_package() -> dict[str, Any] | None:
    """Version, location and requirements of Open WebUI; None where it is not installed."""
    try:
        from importlib.metadata import PackageNotFoundError, metadata
        from importlib.util import find_spec
    except ImportError:  # before Python 3.8
        return None
    try:
        about = metadata("open-webui")
    except PackageNotFoundError:
        return None
    spec = find_spec("open_webui")
    if spec is None or not spec.submodule_search_locations:
        return None
    from webui_preload.installed import torch_build

    requires = about["Requires-Python"]
    return {
        "version": about["Version"],
        "folder": os.path.realpath(next(iter(spec.submodule_search_locations))),
        "requires_python": requires,
        "python_supported": satisfies(requires),
        "torch": torch_build(),
        "drivers": {name: find_spec(name) is not None for name in ("psycopg2", "psycopg", "pgvector")},
    }


def satisfies(requires: str | None) -> bool:
    """Whether this interpreter is one that the package's metadata asks for."""
    if not requires:
        return True
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return True
    return bool(SpecifierSet(requires).contains(PYTHON_VERSION))


def find_unmet(requirements: list[str]) -> list[str]:
    """Those for which nothing is installed, or another version; one that cannot be read counts as unmet."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    def is_met(text: str) -> bool:
        try:
            requirement = Requirement(text)
            if requirement.marker is not None and not requirement.marker.evaluate():
                return True
            return requirement.specifier.contains(version(requirement.name), prereleases=True)
        except (InvalidRequirement, PackageNotFoundError):
            return False

    return [text for text in requirements if not is_met(text)]


def find_variables(folder: str) -> list[str]:
    """Names of the environment variables that the package's own code reads."""
    names: set[str] = set()
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in WITHOUT_PYTHON]
        for name in files:
            if not name.endswith(".py"):
                continue
            with open(os.path.join(parent, name), "rb") as source:
                text = source.read()
            if b"environ" in text or b"getenv" in text:
                names.update(match.decode() for match in READS_VARIABLE.findall(text))
    return sorted(names)


def parse_env_file(path: str, *, interpolate: bool) -> dict[str, Any]:
    """Settings of an env file, read as the runtime will read it: {"values": …} or {"error": …, "line": …}."""
    from pathlib import Path

    from webui_preload.envfile import EnvFileError, read_env_file

    try:
        return {"values": read_env_file(Path(path), interpolate=interpolate)}
    except EnvFileError as error:
        return {"error": error.reason} if error.line is None else {"error": error.reason, "line": error.line}


def make_runtime_importable() -> None:
    """The runtime's Python lies beside this file in a package, and two rooms up in a checkout."""
    here = os.path.dirname(os.path.abspath(__file__))
    source = os.path.dirname(os.path.dirname(here))
    sys.path += [os.path.join(folder, "runtime", "preload") for folder in (here, source)]
    # The folder is copied by its content, of which bytecode is no part.
    sys.dont_write_bytecode = True


def describe_data(folder: str, secrets_name: str, config_keys: list[str]) -> dict[str, Any]:
    """What there is in a data folder already."""
    secrets = os.path.join(folder, secrets_name)
    return {
        "stored": read_stored_config(os.path.join(folder, "webui.db"), config_keys),
        "used": any(os.path.exists(os.path.join(folder, name)) for name in ("webui.db", "uploads")),
        "chroma_rows": count_chroma_rows(os.path.join(folder, "vector_db", "chroma.sqlite3")),
        "secrets": parse_env_file(secrets, interpolate=False) if os.path.exists(secrets) else None,
    }


def count_chroma_rows(path: str) -> int:
    """0 if there is no local Chroma store or it is empty, 1 if it holds something or cannot be asked."""
    if not os.path.exists(path):
        return 0
    try:
        import sqlite3
        from urllib.parse import quote

        connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=1)
        try:
            return len(connection.execute("SELECT 1 FROM embeddings LIMIT 1").fetchall())
        finally:
            connection.close()
    except Exception:
        return 1


def read_stored_config(path: str, keys: list[str]) -> dict[str, str] | None:
    """Rows of the ``config`` table of Open WebUI's SQLite database; None: there is none that can be read."""
    if not os.path.exists(path):
        return None
    try:
        import sqlite3
        from urllib.parse import quote

        # Without a write-ahead log nobody is at work on it, and SQLite need not make files beside it to read it.
        mode = "mode=ro" if os.path.exists(path + "-wal") else "immutable=1"
        connection = sqlite3.connect(f"file:{quote(path)}?{mode}", uri=True, timeout=1)
        try:
            marks = ", ".join("?" * len(keys))
            rows = connection.execute(f"SELECT key, value FROM config WHERE key IN ({marks})", keys).fetchall()
            # SQLite makes numbers of JSON's numbers.
            return {key: as_text(json.loads(value) if isinstance(value, str) else value) for key, value in rows}
        finally:
            connection.close()
    except Exception:
        return None  # another layout, another kind of file, or somebody else's


def as_text(value: Any) -> str:
    """A value as the environment would hold it; PostgreSQL's own text for it is the same."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def sqlite_file(url: str | None) -> str | None:
    """Path in a URL of SQLAlchemy for SQLite; None where it is for something else, or in memory."""
    match = re.match(r"sqlite(?:\+\w+)?:///([^?]+)", url or "")
    return os.path.abspath(match.group(1)) if match and match.group(1) != ":memory:" else None


def data_folders(question: dict[str, Any], package_data: str, in_env_file: str | None) -> list[str]:
    """Every folder that the data may be in: the package's own, those asked for, the one that is set."""
    folders = [package_data, *question["data_dirs"]]
    in_environment = os.environ.get("DATA_DIR")
    if in_environment:
        folders.append(os.path.abspath(in_environment))
    elif in_env_file:
        # Where a relative path in an env file is meant.
        folders.append(os.path.abspath(os.path.join(os.path.dirname(question["env_file"]), in_env_file)))
    return folders


def main() -> None:
    make_runtime_importable()
    question = json.load(sys.stdin)
    package = describe_package()
    answer: dict[str, Any] = {"python": PYTHON_VERSION, "executable": sys.executable, "package": package}
    if package is not None:
        answer["variables"] = find_variables(package["folder"])
        values: dict[str, str] = {}
        if question["env_file"]:
            answer["env_file"] = parse_env_file(question["env_file"], interpolate=True)
            values = answer["env_file"].get("values", {})
        answer["package_data"] = os.path.join(package["folder"], "data")
        folders = data_folders(question, answer["package_data"], values.get("DATA_DIR"))
        keys = question["config_keys"]
        answer["data"] = {name: describe_data(name, question["secrets_name"], keys) for name in folders}
        file = sqlite_file(os.environ.get("DATABASE_URL") or values.get("DATABASE_URL"))
        answer["stored"] = read_stored_config(file, keys) if file else None
    if question["requirements"]:
        answer["unmet"] = find_unmet(question["requirements"])
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
