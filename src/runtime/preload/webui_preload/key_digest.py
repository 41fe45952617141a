"""Notices that WEBUI_SECRET_KEY has changed since the last start: a new key signs everybody out."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from .contract import KEY_DIGEST

#: Bytes of the salt, and the costs of scrypt: Node's defaults, because the doctor computes it too.
_SALT, _N, _R, _P = 16, 16_384, 8, 1


def keep_key_digest(environ: Mapping[str, str]) -> str | None:
    """Keep a digest of the key for the next start. Returns a line for the log where the key is another one."""
    key, folder = environ.get("WEBUI_SECRET_KEY"), environ.get("DATA_DIR")
    if not key or not folder:
        return None
    path = Path(folder) / KEY_DIGEST
    try:
        kept = json.loads(path.read_text())
        if _digest(key, bytes.fromhex(kept["salt"])) == kept["scrypt"]:
            return None
        word: str | None = (
            "WEBUI_SECRET_KEY is not the one of the last start: everybody has to sign in again, and tokens of OAuth, "
            "MCP and multi-factor sign-in that were kept cannot be read. If that was not meant, put the old one back"
        )
    except FileNotFoundError:
        word = None
    except (OSError, ValueError, KeyError, TypeError):
        word = None  # not ours, or broken: written anew
    _write(path, key)
    return word


def _write(path: Path, key: str) -> None:
    salt = os.urandom(_SALT)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w") as file:
            json.dump({"salt": salt.hex(), "scrypt": _digest(key, salt)}, file)
        temporary.replace(path)
    except OSError:
        pass  # where the folder cannot be written, the app itself complains


def _digest(key: str, salt: bytes) -> str:
    return hashlib.scrypt(key.encode(), salt=salt, n=_N, r=_R, p=_P).hex()
