"""Workers with sockets in Open WebUI's rooms, on a real Redis."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import socketio  # type: ignore[import-untyped]
from open_webui.socket.redis_room_channels import AsyncRedisRoomChannelManager
from webui_preload.shortcuts.streams.pipe import Pipe
from webui_preload.shortcuts.streams.rooms import Rooms


async def until(check: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0.005)


class Page:
    """A socket of engine.io, as a worker holds it."""

    closed = False

    def __init__(self) -> None:
        self.packets: list[str | bytes] = []

    async def send(self, packet: Any) -> None:
        self.packets.append(packet.encode())

    def heard(self) -> list[Any]:
        """The events; ahead of each are the digits of engine.io and socket.io."""
        texts = [packet for packet in self.packets if isinstance(packet, str)]
        return [json.loads(text[text.index("[") :]) for text in texts]


class Worker:
    """The sockets of a worker, in Open WebUI's rooms or in ours."""

    def __init__(self, url: str, ours: bool) -> None:
        self.manager: Any = AsyncRedisRoomChannelManager(url)
        self.server: Any = socketio.AsyncServer(client_manager=self.manager, async_mode="asgi")
        self.pipe = Pipe(lambda: self.manager.redis.connection_pool.make_connection())
        if ours:
            self.manager.pipe = self.pipe
            self.manager.__class__ = Rooms
        self.manager.initialize()

    async def open_page(self, room: str) -> tuple[Page, str]:
        page = Page()
        eio_sid = f"eio{id(page)}"
        self.server.eio.sockets[eio_sid] = page
        sid = await self.manager.connect(eio_sid, "/")
        await self.manager.enter_room(sid, "/", room)
        return page, sid

    async def end(self) -> None:
        # One of the tasks below it swallows a cancellation now and then.
        while not self.manager.thread.done():
            self.manager.thread.cancel()
            await asyncio.wait([self.manager.thread], timeout=0.1)
        await self.manager.redis.aclose()
        self.pipe.connection_lost(None)

    async def warm_up(self) -> None:
        """Until the pipe is connected, events go Open WebUI's way."""
        await until(lambda: self.manager.redis is not None)
        await self.server.emit("warm", {}, room="nobody")
        await until(lambda: self.pipe.is_connected)
