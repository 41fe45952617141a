"""A Redis of a test's own, on a socket in a folder."""

import subprocess
import tempfile
import time
import unittest

from redis import Redis
from redis.exceptions import RedisError


def start_redis(test: unittest.TestCase) -> str:
    """Its URL; it ends with the test."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    path = f"{folder.name}/redis"
    server = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder.name],
        stdout=subprocess.DEVNULL,
    )
    test.addCleanup(server.wait)
    test.addCleanup(server.terminate)
    deadline = time.monotonic() + 60
    while True:
        try:
            with Redis(unix_socket_path=path) as client:
                client.ping()
            return f"unix://{path}"
        except RedisError:
            if time.monotonic() > deadline or server.poll() is not None:
                raise
            time.sleep(0.01)
