"""The preload process's part: finds the workers' models, and has missing ones fetched.

Before the import, `begin` looks the models up. It starts a program that fetches missing ones while the app is
imported. `settle` decides which models the workers start with; it waits no longer than START_SECONDS after `begin`.
Models that come later are fetched while the fork server works; the preload process then starts anew.
"""

import os
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict
from pathlib import Path

from ..log import complain, say
from .attempt import Attempt
from .cache import endpoint_of, find_model, models_folder, repository_of
from .local_models import LocalModels
from .offline import go_offline, offline_setting
from .state import ModelState, SupplyState

#: Seconds by which all models together may delay a start.
START_SECONDS = 5

#: Seconds that the hub has to answer in an attempt in the background.
BACKGROUND_REACH_SECONDS = 30

#: Seconds until the first attempt in the background. The pause doubles with each, up to the last.
FIRST_PAUSE, LAST_PAUSE = 15.0, 900.0

#: Seconds after the start until newer versions of the models are looked for.
UPDATE_AFTER = 60.0

#: Set when the process starts over because an import cannot be forked: the hub has been asked already. The second
#: value means that it did not answer.
ASKED, _CUT_OFF = "WEBUI_TUNE_HUB_ASKED", "cut off"

#: Whether Open WebUI itself would ask for newer versions at each start (open_webui/config.py, 0.12.4).
_UPDATES = {"embedding": "RAG_EMBEDDING_MODEL_AUTO_UPDATE", "reranker": "RAG_RERANKING_MODEL_AUTO_UPDATE"}


class ModelSupply:
    """The models of one start. ``again``: whether the process can start anew for a model (serve.py cannot)."""

    def __init__(
        self, models: LocalModels, environ: MutableMapping[str, str], run_folder: Path, *, again: bool
    ) -> None:
        self._names = {kind: name for kind, name in asdict(models).items() if name}
        # A copy: the program may ask the network even where workers go offline.
        self._environ = dict(environ)
        self._live = environ
        self._run_folder = run_folder
        self._again = again
        asked = environ.pop(ASKED, "")
        self._has_asked = bool(asked)
        #: Whether the hub could not be reached when it was last asked.
        self._is_cut_off = asked == _CUT_OFF
        self._endpoint = endpoint_of(environ)
        self._user_offline = offline_setting(environ)
        self._reasons: dict[str, str] = {}
        self._attempt: Attempt | None = None
        self._began = time.monotonic()
        self._pause = FIRST_PAUSE
        self._due: float | None = None
        #: Paths of the models that are here, by their names, when they were last looked up.
        self._here: dict[str, str] = {}
        #: The same, of those that the workers start with.
        self._given: dict[str, str] = {}
        self._is_settled = False
        #: Whether the process is to start anew, because models have come that the workers do not have.
        self.has_news = False

    # --- the start ------------------------------------------------------------------------------

    def begin(self) -> None:
        """Look the models up, and start to fetch what is missing."""
        self._began = time.monotonic()
        self._look_up()
        missing = self._missing()
        for name in missing:
            if self._user_offline:
                self._reasons[name] = f"{self._user_offline} is set, so it is not fetched"
            elif not repository_of(name):
                self._reasons[name] = "it is neither a folder nor the name of a model"
        wanted = [name for name in missing if name not in self._reasons]
        if wanted and not self._has_asked:
            say(f"{', '.join(wanted)}: not on this machine; asking {self._endpoint}")
            self._start(wanted, START_SECONDS)

    def settle(self) -> LocalModels:
        """The models that are here. Logs which are missing; then workers go offline if the hub is not reached."""
        if not self._is_settled:
            self._is_settled = True
            if self._missing():
                self._wait()
                self._look_up()
            if self._is_cut_off and self._missing():
                go_offline()
            self._plan()
            self._tell()
            self._given = self._here
        return LocalModels(**{kind: name for kind, name in self._names.items() if name in self._given})

    def _wait(self) -> None:
        if not (attempt := self._attempt):
            return
        is_over = attempt.wait(max(0.0, self._began + START_SECONDS - time.monotonic()))
        if not is_over and not self._again and attempt.has_reached:
            # Nobody would restart the workers later, and the program ends by itself when nothing comes any more.
            is_over = attempt.wait(None)
        self._is_cut_off = not attempt.has_reached
        if is_over or self._is_cut_off:
            self._reasons |= attempt.reasons(None)
            attempt.kill()
            self._attempt = None

    def _plan(self) -> None:
        """Decide when the next attempt is due."""
        now = time.monotonic()
        if not self._again or self._attempt:
            return
        if self._missing():
            self._due = now if self._has_asked else now + self._pause
        elif self._with_updates():
            self._due = now + UPDATE_AFTER

    # --- the background ---------------------------------------------------------------------------

    def wait(self) -> float | None:
        """Seconds until `work` has something to do; None where nothing is due."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def work(self) -> None:
        """Start the attempt that is due."""
        if self._due is None or time.monotonic() < self._due:
            return
        self._due = None
        self._look_up()
        missing = self._missing()
        wanted = [name for name in missing if repository_of(name) and not self._user_offline]
        if not wanted:
            self._note_news()  # somebody may have brought it
        if missing and not wanted:
            if not self.has_news:
                self._postpone()
            return
        wanted = wanted or self._with_updates()
        if not wanted:
            return
        if not self._start(wanted, BACKGROUND_REACH_SECONDS):
            self._postpone()

    def exited(self, pid: int, status: int) -> bool:
        """A child process has ended. Returns whether it was ours, and acts on its outcome."""
        if not self._attempt or pid != self._attempt.pid:
            return False
        attempt, self._attempt = self._attempt, None
        attempt.ended(status)
        reasons = attempt.reasons(status)
        attempt.close()
        self._reasons |= reasons
        for name, reason in reasons.items():
            if reason:
                what = "no newer version of it was looked for" if name in self._given else "it is still missing"
                say(f"{name}: {what}: {reason}")
        self._look_up()
        self._note_news()
        if self._missing() and not self.has_news:
            self._postpone()
        return True

    def _start(self, wanted: list[str], reach_seconds: int) -> bool:
        try:
            self._attempt = Attempt(wanted, self._environ, reach_seconds)
        except OSError as error:
            self._reasons |= dict.fromkeys(wanted, f"the program that fetches it cannot be started: {error.strerror}")
            return False
        return True

    def supplied(self, environ: Mapping[str, str]) -> dict[str, str]:
        """``environ`` for a start at another level, with what is known of the hub."""
        is_cut_off = not self._attempt.has_reached if self._attempt else self._is_cut_off
        return {**environ, ASKED: _CUT_OFF if is_cut_off else "reached"}

    def leave(self) -> None:
        """End the program, at the end of this process."""
        if self._attempt:
            self._attempt.kill()
            self._attempt = None

    def forget(self) -> None:
        """Close the pipe of the parent, in a forked child."""
        if self._attempt:
            self._attempt.close()

    def _note_news(self) -> None:
        news = [name for name, path in self._here.items() if self._given.get(name) != path]
        if news:
            say(f"{', '.join(news)}: on this machine now; the workers are replaced")
            self.has_news = True
        self._write()

    def _postpone(self) -> None:
        self._pause = min(self._pause * 2, LAST_PAUSE)
        self._due = time.monotonic() + self._pause
        self._write()

    # --- what is where ----------------------------------------------------------------------------

    def _look_up(self) -> None:
        paths = {name: find_model(name, self._environ) for name in set(self._names.values())}
        self._here = {name: path for name, path in paths.items() if path}

    def _missing(self) -> list[str]:
        return sorted(set(self._names.values()) - self._here.keys())

    def _with_updates(self) -> list[str]:
        """Models that are in the cache, and that Open WebUI would keep up to date."""
        if self._user_offline:
            return []
        return sorted(
            {
                name
                for kind, name in self._names.items()
                if self._environ.get(_UPDATES[kind], "true").lower() == "true"
                and not os.path.exists(name)
                and repository_of(name)
            }
        )

    def _states(self) -> list[ModelState]:
        states = []
        for kind, name in self._names.items():
            reason = "" if name in self._here else self._reason(name)
            states.append(ModelState(kind, name, name in self._here, reason))
        return states

    def _reason(self, name: str) -> str:
        if self._attempt:
            return f"{self._endpoint} is still sending it"
        if self._has_asked and name not in self._reasons:
            return f"{self._endpoint} has not given it yet"
        reason = self._reasons.get(name, f"it is not in {models_folder(self._environ)}")
        if not self._again and not self._user_offline:
            reason += "; it is asked for again at the next start of Open WebUI only"
        return reason

    def _tell(self) -> None:
        for state in self._states():
            if not state.here:
                complain(state.line())
        self._write()

    def _write(self) -> None:
        states = self._states()
        is_tried_again = self._due is not None and not self._user_offline and any(not state.here for state in states)
        due = time.time() + (self.wait() or 0.0) if is_tried_again else None
        state = SupplyState(self._endpoint, bool(offline_setting(self._live)), states, due)
        try:
            state.write(self._run_folder, time.time())
        except OSError as error:
            complain(f"cannot write what is known of the models: {error.strerror}")
