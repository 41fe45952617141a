"""Looks for models on this machine, and for what runs them; asks Hugging Face about those that are missing.

Run by the installation's own Python, with its own settings: the cache, the address, the proxy and the token are
those that Open WebUI would use. Reads {"look": [name], "missing": [name], "ask": bool} from standard input. Writes
one line of JSON when it has looked, and another one when it has asked about ``missing`` and what it did not find.
Whoever runs this may end it in between: a name server that hangs cannot be given a time limit from here.
"""

import json
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: Seconds for one answer.
TIMEOUT = 4

#: What Open WebUI runs its local models with.
PACKAGES = ("sentence_transformers", "torch", "transformers")

WEIGHTS = (".safetensors", ".bin", ".onnx", ".pt")
DESCRIPTIONS = ("config.json", "modules.json")


def repository(name: str) -> str:
    """As Open WebUI completes a name (open_webui/retrieval/utils.py, get_model_path, 0.12.4)."""
    return name if "/" in name else f"sentence-transformers/{name}"


def look(name: str) -> dict[str, Any]:
    """Whether all of the model is here; if not, ``reason``."""
    folder, where = name, name
    if not os.path.exists(name):
        if name.count("/") > 1:
            return {"name": name, "here": False, "reason": f"there is no {name}"}
        cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME") or default_cache()
        where = f"the cache {cache}"
        try:
            folder = snapshot(repository(name), cache)
        except Exception:
            return {"name": name, "here": False, "reason": f"it is not in {where}"}
    # A download that was cut off leaves some of the files.
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    has_weights = any(path.suffix in WEIGHTS and path.stat().st_size > 0 for path in files)
    if not has_weights or not any(path.name in DESCRIPTIONS for path in files):
        return {"name": name, "here": False, "reason": f"it is not whole in {where}"}
    return {"name": name, "here": True, "reason": f"in {where}"}


def default_cache() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def snapshot(repo: str, cache: str) -> str:
    from huggingface_hub import snapshot_download

    return str(snapshot_download(repo_id=repo, cache_dir=cache, local_files_only=True))


def ask(name: str) -> dict[str, Any]:
    """Whether Hugging Face has the model; if not, ``reason``."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    started = time.monotonic()
    reason = ""
    try:
        HfApi().model_info(repository(name), timeout=TIMEOUT)
    except GatedRepoError:
        reason = f"it gives {name} only to those who have agreed to its licence (HF_TOKEN)"
    except RepositoryNotFoundError:
        reason = f"it knows no model {name}, or not without HF_TOKEN"
    except Exception as error:
        reason = why(error)
    return {"name": name, "reason": reason, "ms": round((time.monotonic() - started) * 1000)}


def why(error: BaseException) -> str:
    """The cause in one line. The address in it is not shown: it may hold a password."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status is not None:
        return f"it answers with {status}"
    if isinstance(error, ValueError):
        return "what answers is not Hugging Face: it sends no JSON"
    text = str(error).strip().partition("\n")[0] or type(error).__name__
    return text.partition("(Request ID")[0].strip()[:200]


def main() -> None:
    import huggingface_hub.hf_api  # noqa: F401 - takes a while, for which Hugging Face is not to blame

    question = json.load(sys.stdin)
    looked = [look(name) for name in question["look"]]
    absent = [name for name in PACKAGES if find_spec(name) is None]
    print(json.dumps({"models": looked, "absent": absent}), flush=True)
    missing = [*question["missing"], *(model["name"] for model in looked if not model["here"])]
    names = [name for name in missing if question["ask"] and name.count("/") <= 1]
    print(json.dumps([ask(name) for name in names]), flush=True)


if __name__ == "__main__":
    main()
