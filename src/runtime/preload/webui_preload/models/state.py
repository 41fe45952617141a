"""The file that says which models are here, and the line for the log (models-state.ts)."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..contract import MODEL_MEND, RunFolder, WithoutModel

_WITHOUT_MODEL = {"embedding": WithoutModel.EMBEDDING, "reranker": WithoutModel.RERANKER}


@dataclass(frozen=True)
class ModelState:
    """One model that start-up loads; ``reason``: why it is not here, empty where it is."""

    kind: str
    name: str
    here: bool
    reason: str = ""

    def line(self) -> str:
        """What does not work, why, and how to mend it (models-state.ts, missingModels)."""
        lacks = f"the {self.kind} model {self.name} is not on this machine: {_WITHOUT_MODEL[self.kind]}"
        return f"{lacks}; {self.reason}. {MODEL_MEND}"


@dataclass(frozen=True)
class SupplyState:
    """All that the file says."""

    endpoint: str
    #: Whether workers run with Hugging Face offline.
    offline: bool
    models: list[ModelState]
    #: Seconds since 1970 of the next attempt; None: there is none.
    next_attempt_at: float | None

    def write(self, folder: Path, now: float) -> None:
        """Replace the file at once, so that a reader sees the old one or the new one."""
        content = {
            "endpoint": self.endpoint,
            "offline": self.offline,
            "models": [asdict(model) for model in self.models],
            "checkedAt": _iso(now),
            "nextAttemptAt": None if self.next_attempt_at is None else _iso(self.next_attempt_at),
        }
        path = folder / RunFolder.MODELS
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        unfinished.replace(path)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
