"""Has Open WebUI make its table and the indexes, in a process of its own, as the import takes more than all else."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from ..answers import Refused
from .target import claim, connect, is_filled, read_shape

MAKE = "from open_webui.retrieval.vector.dbs.pgvector import PgvectorClient; PgvectorClient()"
#: Made anew after many chunks were written: that is faster, and one of them learns from the chunks that it finds.
INDEXES = ("idx_document_chunk_vector", "idx_document_chunk_text_search")
#: Lines of its log that an error tells.
TAIL = 15


def require_table(env: Mapping[str, str], target: str) -> None:
    """Makes the table where there is none, and marks it as a migration's."""
    with connect(env, target) as connection:
        if read_shape(connection) is None:
            _make(env, target)
        if read_shape(connection) is None:
            raise Refused(
                "target-no-pgvector",
                "Open WebUI made no table document_chunk in the target",
                "Install pgvector there, and CREATE EXTENSION vector in the database.",
            )
        claim(connection)


def drop_indexes(env: Mapping[str, str], target: str) -> None:
    """Of an empty table."""
    with connect(env, target) as connection:
        if is_filled(connection):
            return
        for index in INDEXES:
            connection.execute(f"DROP INDEX IF EXISTS {index}")


def require_indexes(env: Mapping[str, str], target: str) -> None:
    """Makes those that are missing."""
    with connect(env, target) as connection:
        there = connection.execute("SELECT to_regclass(name) FROM unnest(%s::text[]) AS name", [list(INDEXES)])
        is_complete = all(index is not None for (index,) in there)
    if not is_complete:
        _make(env, target)


def _make(env: Mapping[str, str], target: str) -> None:
    """Makes what is missing of the table."""
    with tempfile.TemporaryDirectory(prefix="webui-migrate-") as folder:
        made = subprocess.run(
            [sys.executable, "-c", MAKE],
            env=_environment(env, target, folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if made.returncode != 0:
        tail = "\n".join(f"{made.stdout}\n{made.stderr}".strip().splitlines()[-TAIL:])
        raise Refused(
            "table-failed",
            f"Open WebUI could not make its table of embeddings:\n{tail}",
            "Correct what the log says. PGVECTOR_* are the settings of that table.",
        )


def _environment(env: Mapping[str, str], target: str, folder: str) -> dict[str, str]:
    """The installation's settings, but nothing of its folders: the import writes into them."""
    return {
        **{name: value for name, value in env.items() if name.startswith(("PGVECTOR_", "DATABASE_"))},
        "PATH": os.environ.get("PATH", ""),
        "HOME": folder,
        "DATABASE_URL": target,
        "VECTOR_DB": "pgvector",
        "DATA_DIR": os.path.join(folder, "data"),
        "STATIC_DIR": os.path.join(folder, "static"),
        "FROM_INIT_PY": "true",
        "WEBUI_SECRET_KEY": "of no installation",
        # The tables of the database are another command's.
        "ENABLE_DB_MIGRATIONS": "false",
        "HF_HUB_OFFLINE": "1",
        # The index of 5,000 vectors of 1,536 numbers needs 65 MB, and 64 MB are PostgreSQL's default.
        "PGOPTIONS": "-c maintenance_work_mem=256MB",
    }
