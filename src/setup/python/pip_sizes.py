"""Bytes of files that pip would download: URLs as JSON on stdin, their sum on stdout; fails where one is not told.

pip has no command for this. Its own session is used, so that its proxy, certificates and passwords hold. Where that
has changed in a newer pip, the size is not known, and nothing else depends on it.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote, urlsplit

from pip._internal.commands import create_command


def main() -> int:
    command = create_command("download")
    options, _ = command.parse_args([])
    session = command._build_session(options, retries=1, timeout=10)  # type: ignore[attr-defined]

    def size(url: str) -> int:
        if url.startswith("file:"):
            return os.path.getsize(unquote(urlsplit(url).path))
        answer = session.head(url.partition("#")[0], allow_redirects=True)
        answer.raise_for_status()
        return int(answer.headers["content-length"])

    with ThreadPoolExecutor(8) as pool:
        print(sum(pool.map(size, json.load(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
