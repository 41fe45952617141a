"""Tells about the Open WebUI that is installed for the interpreter which runs this file.

It is run by webui-tune, reads its question as JSON from stdin and answers as JSON on stdout. Open WebUI itself is not
imported: that takes seven seconds, this takes a tenth of one. The syntax is that of Python 3.6, so that an interpreter
which is too old can still say so.

Question: {"env_file": path or null, "data_dirs": [path, ...], "secrets_name": name}
"""

import io
import json
import os
import re
import sys

#: os.getenv('X'), os.environ.get('X'), os.environ['X'], environ.get('X')
READS_VARIABLE = re.compile(rb"""(?:getenv|environ\.get|environ)\s*[(\[]\s*['"]([A-Za-z_][A-Za-z0-9_]*)['"]""")


def package():
    """Version, location and requirements of Open WebUI; None where it is not installed."""
    try:
        from importlib.metadata import PackageNotFoundError, metadata
        from importlib.util import find_spec
    except ImportError:  # before Python 3.8
        return None
    try:
        about = metadata("open-webui")
        spec = find_spec("open_webui")
    except PackageNotFoundError:
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    requires = about["Requires-Python"]
    return {
        "version": about["Version"],
        "folder": os.path.realpath(list(spec.submodule_search_locations)[0]),
        "requires_python": requires,
        "python_supported": satisfies(requires),
        "drivers": {name: find_spec(name) is not None for name in ("psycopg2", "psycopg", "pgvector")},
    }


def satisfies(requires):
    """Whether this interpreter is one that the package's metadata asks for."""
    if not requires:
        return True
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return True
    return SpecifierSet(requires).contains("%d.%d.%d" % sys.version_info[:3])


def variables(folder):
    """Names of the environment variables that the package's own code reads."""
    names = set()
    for parent, folders, files in os.walk(folder):
        # The frontend and the static files are thousands of files without Python in them.
        folders[:] = [name for name in folders if name not in ("frontend", "static", "data", "__pycache__")]
        for name in files:
            if name.endswith(".py"):
                with io.open(os.path.join(parent, name), "rb") as source:
                    text = source.read()
                if b"environ" in text or b"getenv" in text:
                    names.update(match.decode() for match in READS_VARIABLE.findall(text))
    return sorted(names)


def parse_env_file(path, interpolate):
    """Settings of an env file as Open WebUI reads them (python-dotenv), or {"error": reason, "line": number}."""
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        with io.open(path, encoding="utf-8") as source:
            text = source.read()
    except OSError as error:
        return {"error": error.strerror or "it cannot be read"}
    except UnicodeDecodeError:
        return {"error": "it is not UTF-8"}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            line = binding.original.line
            # White space before the faulty line belongs to it for the parser, but not for the reader.
            blank = len(binding.original.string) - len(binding.original.string.lstrip())
            return {
                "error": "not of the form NAME=value",
                "line": line + binding.original.string[:blank].count("\n"),
            }
    values = dotenv_values(stream=io.StringIO(text), interpolate=interpolate)
    return {"values": {name: value for name, value in values.items() if value is not None}}


def describe_data(folder, secrets_name):
    """What there is in a data folder already."""
    secrets = os.path.join(folder, secrets_name)
    return {
        "used": any(os.path.exists(os.path.join(folder, name)) for name in ("webui.db", "uploads")),
        "chroma_rows": chroma_rows(os.path.join(folder, "vector_db", "chroma.sqlite3")),
        "secrets": parse_env_file(secrets, False) if os.path.exists(secrets) else None,
    }


def chroma_rows(path):
    """Rows of the local Chroma store: 0 if there is none or it is empty, 1 if it has some or cannot be asked."""
    if not os.path.exists(path):
        return 0
    try:
        import sqlite3
        from urllib.parse import quote

        connection = sqlite3.connect("file:%s?mode=ro" % quote(path), uri=True, timeout=1)
        try:
            return len(connection.execute("SELECT 1 FROM embeddings LIMIT 1").fetchall())
        finally:
            connection.close()
    except Exception:
        return 1


def main():
    question = json.load(sys.stdin)
    answer = {
        "python": "%d.%d.%d" % sys.version_info[:3],
        "executable": sys.executable,
        "package": package(),
    }
    if answer["package"] is not None:
        folder = answer["package"]["folder"]
        answer["variables"] = variables(folder)
        values = {}
        if question["env_file"]:
            answer["env_file"] = parse_env_file(question["env_file"], True)
            values = answer["env_file"].get("values", {})
        package_data = os.path.join(folder, "data")
        folders = [package_data] + question["data_dirs"]
        chosen = os.environ.get("DATA_DIR") or values.get("DATA_DIR")
        if chosen:
            # Beside the env file, where a relative path in one is meant.
            base = os.getcwd() if os.environ.get("DATA_DIR") else os.path.dirname(question["env_file"])
            folders.append(os.path.normpath(os.path.join(base, chosen)))
        answer["package_data"] = package_data
        answer["data"] = {name: describe_data(name, question["secrets_name"]) for name in folders}
    json.dump(answer, sys.stdout)


main()
