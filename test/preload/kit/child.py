import contextlib
import io
import os
from collections.abc import Callable


def in_child(check: Callable[[], str]) -> str:
    """What ``check`` returns, or raises, in a forked child, which ends with it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                answer = check()
            except Exception as error:
                answer = f"{type(error).__name__}: {error}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return answer
