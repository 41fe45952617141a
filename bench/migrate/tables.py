"""Measures the migration of tables: ``python bench/migrate/tables.py [MESSAGES]``, with the Python of the tests.

Needs src/setup/migrate and test/migrate/kit in PYTHONPATH, and the tests' PostgreSQL. A million messages with chats
are about a gigabyte. Between the passes, one message in a thousand is changed, one deleted, and a thousand are new.
The CPU time is the migration's own, without PostgreSQL's.
"""

import os
import sys
import tempfile
from pathlib import Path

from many_messages import fill
from measured import timed
from templates import copy_source, empty_database, open_source


def main(messages: int) -> None:
    with tempfile.TemporaryDirectory(prefix="webui-tune-bench-") as folder, empty_database() as target:
        source, copy, report = (f"{folder}/{name}" for name in ("webui.db", "copy.db", "report.jsonl"))
        copy_source(Path(source))
        connection = open_source(Path(source))
        fill(connection, messages)
        print(f"{messages} messages, {os.path.getsize(source) / 2**20:.0f} MiB", flush=True)
        timed("look", source=source)
        timed("prepare", target=target, env={}, pgvector=False)
        timed("upgrade-copy", source=source, copy=copy, env={})
        timed("copy", source=copy, target=target, report=report, **{"pass": 1})
        print("checked while the old server runs:")
        timed("verify", source=copy, target=target)
        connection.execute("""UPDATE chat_message SET content = '"other"' WHERE rowid % 1000 = 7""")
        connection.execute("DELETE FROM chat_message WHERE rowid % 1000 = 8")
        fill(connection, min(messages, 1000), users=10, name="new")
        connection.close()
        print("with the server stopped:")
        timed("copy", source=source, base=copy, target=target, report=report, **{"pass": 2})
        verified = timed("verify", source=source, target=target)
        if not verified.result["equal"]:
            raise SystemExit(f"differs: {verified.result}")


main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
