"""Writes the memory that the preload process takes into the run folder, for the next plan (contract.py, Observed)."""

import json
import os
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .contract import Env, Observed
from .installed import torch_build
from .log import complain

_KIB = 1024


def keep_preload(run_folder: Path, environ: Mapping[str, str], *, generation: str, version: str, level: str) -> None:
    """Write the memory of this process, in bytes, and the conditions under which it was measured.

    Call it once the heap is frozen and before the first fork, while the process shares nothing with workers. Where
    the file cannot be written, a line in the log says so.
    """
    planned = environ.get(Env.PLANNED)
    memory = read_memory()
    if planned is None or memory is None:
        return
    try:
        kept: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "generation": generation,
            "openWebui": version,
            "python": ".".join(str(part) for part in sys.version_info[:3]),
            "torch": torch_build(),
            "level": level,
            "planned": json.loads(planned),
            **memory,
        }
        temporary = run_folder / f".{Observed.PRELOAD}.{os.getpid()}"
        temporary.write_text(json.dumps(kept), encoding="utf-8")
        temporary.chmod(0o600)
        temporary.replace(run_folder / Observed.PRELOAD)
    except (OSError, ValueError) as error:
        complain(f"what the preload process takes cannot be kept for the next plan: {error}")


def read_memory(rollup: Path = Path("/proc/self/smaps_rollup")) -> dict[str, int] | None:
    """Bytes that this process takes: ``rss``, ``pss`` and ``private``; None where the kernel does not say."""
    try:
        text = rollup.read_text(encoding="ascii")
    except OSError:
        return None
    kib = {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)}
    try:
        private = kib["Private_Clean"] + kib["Private_Dirty"]
        return {"rss": kib["Rss"] * _KIB, "pss": kib["Pss"] * _KIB, "private": private * _KIB}
    except KeyError:
        return None
