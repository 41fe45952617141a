import subprocess
import sys
import unittest
from types import SimpleNamespace

from webui_preload.clock import accept_tokens_of_later

KEY = "a key of the tests that is long enough for HS256"

PROGRAM = f"""
import time
import jwt
from webui_preload.clock import accept_tokens_of_later

def verdict(token, key={KEY!r}):
    try:
        return jwt.decode(token, key, algorithms=["HS256"])["id"]
    except jwt.PyJWTError as error:
        return type(error).__name__

now = time.time()
later = jwt.encode({{"id": "later", "iat": now + 3600, "exp": now + 7200}}, {KEY!r})
ended = jwt.encode({{"id": "ended", "iat": now - 7200, "exp": now - 3600}}, {KEY!r})
print(verdict(later), accept_tokens_of_later(), verdict(later), verdict(ended), verdict(later, "x" * 40))
"""


class TestClock(unittest.TestCase):
    def test_a_token_of_later_is_taken_and_everything_else_is_checked_as_before(self) -> None:
        # In a process of its own: it changes how all of them are decoded.
        said = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
        self.assertEqual(
            said.split(),
            ["ImmatureSignatureError", "True", "later", "ExpiredSignatureError", "InvalidSignatureError"],
        )

    def test_another_pyjwt_is_left_alone(self) -> None:
        self.assertFalse(accept_tokens_of_later(SimpleNamespace()))


if __name__ == "__main__":
    unittest.main()
