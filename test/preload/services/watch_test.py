"""How soon a worker notices that a service is back."""

import asyncio
import time
import unittest
from unittest import mock

from redis_server import start_redis
from webui_preload.services import watch
from webui_preload.services.outage import REDIS
from webui_preload.services.watch import INTERVAL, ServiceWatch


class WatchTest(unittest.TestCase):
    def test_looks_more_often_while_a_service_is_lost(self) -> None:
        self.enterContext(mock.patch.object(watch, "_reconnect_live_updates"))
        watched = ServiceWatch({"REDIS_URL": start_redis(self), "DATABASE_URL": "sqlite://"})

        async def seconds_until_found() -> float:
            watched.outages.lost(REDIS, "a test")
            begun = time.monotonic()
            looking = asyncio.create_task(watched._run())
            while watched.outages.is_lost(REDIS):
                await asyncio.sleep(0.01)
            looking.cancel()
            return time.monotonic() - begun

        self.assertLess(asyncio.run(seconds_until_found()), INTERVAL)


if __name__ == "__main__":
    unittest.main()
