"""Has Open WebUI make its table and the indexes, in a process of its own, as the import takes more than all else."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from ..answers import Refused

MAKE = "from open_webui.retrieval.vector.dbs.pgvector import PgvectorClient; PgvectorClient()"
#: Made anew after many chunks were written: that is faster, and one of them learns from the chunks that it finds.
INDEXES = ("idx_document_chunk_vector", "idx_document_chunk_text_search")
#: Lines of its log that an error tells.
TAIL = 15


def make_table(env: Mapping[str, str], target: str) -> None:
    """Makes what is missing of it."""
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
