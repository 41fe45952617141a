"""Keeps people signed in when the clock of the machine is set back.

PyJWT refuses a token that was issued later than it is now: whoever has signed in within the last hour would be signed
out for an hour, if the clock is set back by one. RFC 7519 asks for no such check ("iat" tells a token's age), and
nothing depends on it: the signature says that the token is Open WebUI's, and when it ends is checked as before.
"""

import importlib
from typing import Any


def accept_tokens_of_later(jwt: Any = None) -> bool:
    """Let this process, and all that are forked from it, decode such tokens. False: this PyJWT is not known."""
    module = jwt or importlib.import_module("jwt.api_jwt")
    decoder = getattr(module, "_jwt_global_obj", None)
    options = getattr(decoder, "options", None)
    if not isinstance(options, dict) or "verify_iat" not in options:
        return False
    options["verify_iat"] = False
    return True
