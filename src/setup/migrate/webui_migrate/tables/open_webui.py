"""The installed Open WebUI: its revisions, and its own migrations."""

import importlib.util
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Literal

from ..answers import Refused

_REVISION = re.compile(r"^revision\b[^=]*=\s*['\"](\w+)['\"]", re.MULTILINE)
_BEFORE = re.compile(r"^down_revision\b[^=]*=\s*(.*)$", re.MULTILINE)
#: On Linux it ends with this process: a later run must not meet it.
_MIGRATE = """
import ctypes, signal, sys
if sys.platform == "linux":
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
import open_webui.config
"""
#: Lines of the migrations' output that an error quotes.
_QUOTED_LINES = 15

Version = Literal["current", "older", "newer", "none"]


def revisions() -> tuple[set[str], str]:
    """All that the installed version knows, and the latest. Its files are read, not run: that would take seconds."""
    spec = importlib.util.find_spec("open_webui")
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [file for folder in folders for file in (Path(folder) / "migrations" / "versions").glob("*.py")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    known = {match[1] for text in texts if (match := _REVISION.search(text))}
    before = {name for text in texts if (match := _BEFORE.search(text)) for name in re.findall(r"\w+", match[1])}
    latest = known - before
    if len(latest) != 1:
        raise Refused(
            "source-version",
            f"the Open WebUI of {sys.executable} has {len(latest)} latest revisions of its database, not one",
            "Install Open WebUI 0.12 or newer with webui-tune up.",
        )
    return known, latest.pop()


def revision_of(connection: sqlite3.Connection) -> str | None:
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'").fetchone()
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
    return str(row[0]) if row else None


def version_of(connection: sqlite3.Connection) -> tuple[str | None, str, Version]:
    """Revision of the source, the installed one, and what that means."""
    known, latest = revisions()
    revision = revision_of(connection)
    if revision is not None:
        return revision, latest, "current" if revision == latest else "older" if revision in known else "newer"
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    # Before Alembic, Open WebUI had these two from the beginning.
    return None, latest, "older" if {"auth", "user"} <= tables else "none"


def refuse_unless_known(path: str, version: Version, revision: str | None) -> None:
    if version == "newer":
        raise Refused(
            "source-newer",
            f"{path} was written by a newer Open WebUI than the installed one: it does not know revision {revision}",
            "Install that version of Open WebUI first, or a newer one: webui-tune upgrade.",
        )
    if version == "none":
        raise Refused(
            "source-version", f"{path} is no database of Open WebUI", "Name the folder or the webui.db of Open WebUI."
        )


def migrate(url: str, env: dict[str, str]) -> None:
    """Runs Open WebUI's migrations in a process of its own: they are part of the import of its configuration."""
    with tempfile.TemporaryDirectory(prefix="webui-migrate-") as folder:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            **env,
            "HOME": folder,
            "DATABASE_URL": url,
            "DATA_DIR": f"{folder}/data",
            "STATIC_DIR": f"{folder}/static",
            # Else it looks for its files where a clone has them.
            "FROM_INIT_PY": "true",
            "ENABLE_DB_MIGRATIONS": "true",
            # Every import asks for a key; nothing is signed with it here.
            "WEBUI_SECRET_KEY": "of no installation",
            "HF_HUB_OFFLINE": "1",
            # Nobody reads the copy meanwhile: a log beside it would only be slow.
            "DATABASE_ENABLE_SQLITE_WAL": "false",
        }
        said: deque[str] = deque(maxlen=_QUOTED_LINES)
        with subprocess.Popen(
            [sys.executable, "-c", _MIGRATE],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", file=sys.stderr)
                said.append(line.rstrip())
        if process.returncode != 0:
            raise Refused(
                "migrations-failed",
                "Open WebUI's own migrations failed: " + "\n".join(said),
                "Correct what the last lines name, then run the command again. The source is as it was.",
            )
