"""Gives the import of Open WebUI a hash that it would compute.

open_webui/models/auths.py (0.12.4) hashes the word "placeholder" with bcrypt: 0.3 s of CPU. A sign-in with an unknown
address is compared with this hash, so that it takes as long as any other. Nobody can sign in with it.
"""

import contextlib
from collections.abc import Iterator

#: The word, and the cost of bcrypt's default.
_WORD, _COST = b"placeholder", b"$2b$12$"

#: bcrypt's hash of the word, at that cost.
HASH = b"$2b$12$s6S5ao0rmSgKkXhNIC.5s.n2tL7mzboinfvpmRZHVm3/PoQjb.pyS"


@contextlib.contextmanager
def ready_made_hash() -> Iterator[None]:
    """While active, bcrypt answers with HASH when it is asked for the word's hash at that cost."""
    import bcrypt

    compute = bcrypt.hashpw

    def hashpw(password: bytes, salt: bytes) -> bytes:
        return HASH if password == _WORD and salt.startswith(_COST) else compute(password, salt)

    bcrypt.hashpw = hashpw
    try:
        yield
    finally:
        bcrypt.hashpw = compute
