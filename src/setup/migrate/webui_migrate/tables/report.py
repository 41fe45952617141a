"""The report: a JSON line for each finding, with what the source had."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..messages import Finding
from .postgres import PREFIX, Connection

#: Findings of one table, column and problem that are told one by one.
TOLD = 10


def write(target: Connection, path: str) -> int:
    """Writes the file as a whole; returns how many lines it has. It holds users' data, so it is its owner's alone."""
    unfinished = f"{path}.unfinished"
    lines = 0
    query = f"""
        SELECT name, key, col, problem, message, action, original FROM {PREFIX}findings
        ORDER BY name, key NULLS FIRST, col NULLS FIRST, problem
    """
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        with target.transaction(), target.cursor(name="findings") as cursor:
            cursor.itersize = 100
            for name, key, column, problem, message, action, original in cursor.execute(query):
                finding: Finding = {
                    "table": name,
                    "key": key,
                    "column": column,
                    "problem": problem,
                    "message": message,
                    "action": action,
                    "original": json.loads(original),
                }
                file.write(f"{json.dumps(finding)}\n")
                lines += 1
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)
    return lines


def read(path: str) -> Iterator[Finding]:
    """The first findings of each kind, without what the source had."""
    seen: Counter[tuple[str, str | None, str]] = Counter()
    with Path(path).open(encoding="utf-8") as file:
        for line in file:
            finding: Finding = json.loads(line)
            kind = (finding["table"], finding["column"], finding["problem"])
            seen[kind] += 1
            if seen[kind] <= TOLD:
                del finding["original"]
                yield finding
