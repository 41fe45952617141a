"""A migration that is killed at any moment ends right when it is run again."""

import os
import random
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

from ask import ask_well, start
from many_messages import fill
from templates import copy_source, open_source, prepared_database

_KILLS = 20
#: Some runs end before their kill.
_MOST_RUNS = 200


class KilledTest(unittest.TestCase):
    def test_ends_right_after_twenty_kills(self) -> None:
        seed = int(os.environ.get("WEBUI_TUNE_TEST_SEED") or random.randrange(10**6))
        print(f"seed {seed}: WEBUI_TUNE_TEST_SEED={seed} repeats it")
        draw = random.Random(seed)
        with tempfile.TemporaryDirectory() as folder, prepared_database() as url:
            path = f"{folder}/webui.db"
            copy_source(Path(path))
            source = open_source(Path(path))
            self.addCleanup(source.close)
            fill(source, 15_000)
            # What is aside and what is mended has to be told once, whenever the kill came.
            source.execute("UPDATE chat_message SET content = '{broken' WHERE rowid % 500 = 3")
            source.execute("UPDATE chat_message SET chat_id = 'gone' WHERE rowid % 1000 = 4")
            request = {"source": path, "target": url, "report": f"{folder}/report"}
            before, work = self._durations(path)
            kills = runs = 0
            while kills < _KILLS:
                runs += 1
                self.assertLess(runs, _MOST_RUNS)
                # First while all is copied for the first time, then while changes are looked for, then in the end.
                stage = kills * 3 // _KILLS
                if stage > 0:
                    source.execute("UPDATE chat_message SET updated_at = updated_at + 1 WHERE rowid % 7 = 1")
                within = draw.uniform(0, work / 8 if stage == 0 else work)
                early = draw.uniform(0, before) if draw.random() < 0.25 else None
                kills += self._kill({**request, "pass": 2 if stage == 2 else 1}, early, within)
            print(f"{kills} of {runs} runs were killed, a whole one takes {before + work:.1f} s")
            ask_well("copy", **request, **{"pass": 2})
            verified = ask_well("verify", source=path, target=url).result
            self.assertTrue(verified["equal"], verified)
            self.assertEqual(len(Path(request["report"]).read_text().splitlines()), 30 + 15)

    def _kill(self, request: dict[str, Any], early: float | None, within: float) -> bool:
        """Kills a run, so many seconds after its start or after it has begun to work. Says whether it was in time."""
        process = start("copy", request)
        assert process.stdout is not None
        if early is None:
            process.stdout.readline()
        # The moment is what is tested: there is nothing to wait for.
        time.sleep(within if early is None else early)
        is_running = process.poll() is None
        process.kill()
        process.communicate()
        return is_running

    def _durations(self, path: str) -> tuple[float, float]:
        """Seconds that a run takes here and now until it begins to work, and until it ends."""
        with prepared_database() as url, tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            process = start("copy", {"source": path, "target": url, "report": f"{folder}/report", "pass": 2})
            assert process.stdout is not None
            process.stdout.readline()
            working = time.monotonic()
            process.communicate()
            self.assertEqual(process.returncode, 0)
            return working - begun, time.monotonic() - working
