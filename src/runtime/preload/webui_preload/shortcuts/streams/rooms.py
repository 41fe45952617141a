"""Events to the rooms of socket.io: encoded once, only for who is there, and sent to Redis through the pipe."""

from typing import Any

import orjson
from engineio import packet as engineio  # type: ignore[import-untyped]
from engineio.exceptions import EngineIOError  # type: ignore[import-untyped]
from open_webui.socket.redis_room_channels import AsyncRedisRoomChannelManager
from redis.exceptions import RedisError

from .pipe import Pipe

#: Options of an event that is sent here.
_ORDINARY = ("room", "to", "skip_sid")


class Rooms(AsyncRedisRoomChannelManager):  # type: ignore[misc]  # it is not typed
    """Open WebUI's manager of rooms (0.12.4) with a shorter way for ordinary events while ``pipe`` is connected."""

    pipe: Pipe

    async def emit(self, event: Any, data: Any, namespace: str | None = None, **options: Any) -> None:
        """``options`` as python-socketio's; some of them make an event that is not ordinary."""
        room: Any = options.get("to") or options.get("room")
        skip_sid = options.get("skip_sid")
        is_plain = isinstance(room, str) and isinstance(data, dict) and namespace in (None, "/")
        others = [name for name, value in options.items() if value and name not in _ORDINARY]
        payload = _encode(data) if is_plain and not others else None
        if payload is None or self.redis is None:
            await super().emit(event, data, namespace, **options)
            return
        message = {
            "method": "emit",
            "event": event,
            "data": [payload],
            "binary": False,
            "namespace": "/",
            "room": room,
            "skip_sid": skip_sid,
            "callback": None,
            "host_id": self.host_id,
        }
        told = self.pipe.ask("PUBLISH", self._room_channel("/", room), orjson.dumps(message))
        if told is None:
            await super().emit(event, data, namespace, **options)
            return
        await self._emit_here(event, payload, room, skip_sid)
        try:
            await told
        except RedisError:
            await self._publish({**message, "data": [data]})

    async def _emit_here(self, event: Any, payload: orjson.Fragment, room: str, skip_sid: Any) -> None:
        """To the sockets of this worker."""
        skipped = skip_sid if isinstance(skip_sid, list) else [skip_sid]
        present = [eio_sid for sid, eio_sid in self.get_participants("/", room) if sid not in skipped]
        if not present:
            return
        # A packet of socket.io in one of engine.io.
        packet = engineio.Packet(engineio.MESSAGE, "2" + orjson.dumps([event, payload]).decode())
        for eio_sid in present:
            try:
                await self.server._send_eio_packet(eio_sid, packet)
            except EngineIOError:
                pass  # it has closed meanwhile
            except Exception:
                self.server.logger.exception("an event could not be sent")


def _encode(data: Any) -> orjson.Fragment | None:
    """Its JSON, to be put into other JSON; None where it holds bytes, or what only another encoder takes."""
    try:
        return orjson.Fragment(orjson.dumps(data))
    except TypeError:
        return None
