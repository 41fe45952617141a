"""Who has a chat open: found by the chat's room, instead of by reading the session of every open page.

Open WebUI (socket/main.py, 0.12.4) tells the pages of a chat who has it open whenever one of them opens or leaves
it. For that it reads the sessions of all pages of all workers, and its event loop stands still meanwhile. But whoever
has a chat open is in its room, each room is a channel of Redis, and Redis knows how many workers listen to a channel.
Where it is this worker alone, its own sockets are all that there are, and only their sessions are read. Where another
listens too, all sessions are read, as ever.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from redis.exceptions import RedisError

from .known_source import are_known

#: The functions whose steps are relied upon, as in Open WebUI 0.12.4 and what it brings: digests of their source.
#: All that write which chats a session has open do so after its socket has entered the room, or left it.
KNOWN = {
    "open_webui.socket.main:publish_chat_presence": "5c96fb518b932fe8",
    "open_webui.socket.main:get_session_pool_batches": "1d310e907eb77c67",
    "open_webui.socket.main:connect": "3c01712a7bd4c189",
    "open_webui.socket.main:user_join": "9084b76d67136460",
    "open_webui.socket.main:heartbeat": "6aaec0b06a0c171f",
    "open_webui.socket.main:chat_events": "9f9a96347ec92bc1",
    "open_webui.socket.main:refresh_chat_access": "68c39e4c5c57b9af",
    "open_webui.socket.main:disconnect": "90c0e7d4c61c8a7f",
    "open_webui.socket.utils:RedisDict.scan_batches": "7ec80e7b2295a6a8",
    "open_webui.socket.redis_room_channels:AsyncRedisRoomChannelManager._room_channel": "4e544a2ff1c3c8fa",
    "open_webui.socket.redis_room_channels:AsyncRedisRoomChannelManager.basic_leave_room": "9220b75b259fb42b",
    "open_webui.socket.redis_room_channels:AsyncRedisRoomChannelManager.enter_room": "2b219d633fddbe16",
    "open_webui.socket.redis_room_channels:AsyncRedisRoomChannelManager._wait_for_rooms": "915540da4c1b923b",
    "open_webui.socket.redis_room_channels:AsyncRedisRoomChannelManager._sync_rooms": "590601f06e8de8d0",
    "open_webui.socket.redis_room_channels:AsyncRedisRoomChannelManager._listen_to_rooms": "bd4169092999b1ec",
    "socketio.base_manager:BaseManager.basic_leave_room": "e27f3eea06d1c6a6",
    "socketio.async_server:AsyncServer._handle_disconnect": "7d742f83353ccd57",
}

#: Seconds for which Redis may take to hear that this worker listens no more. Then all sessions are read.
_LEAVE_TIMEOUT = 1.0


def look_up_presence(main: Any) -> None:
    """Set up ``open_webui.socket.main``, whose sockets are in rooms of a plain Redis, before the forks."""
    if not are_known("how it tells who has a chat open", KNOWN):
        return
    publish, all_batches = main.publish_chat_presence, main.get_session_pool_batches
    manager, pool = main.sio.manager, main.SESSION_POOL
    asked_for: ContextVar[str | None] = ContextVar("asked_for", default=None)

    def channel_of(chat_id: str) -> bytes:
        return bytes(manager._room_channel("/", f"chat:{chat_id}"))

    def members(chat_id: str) -> list[str]:
        return list(manager.rooms.get("/", {}).get(f"chat:{chat_id}", ()))

    async def publish_chat_presence(chat_id: str) -> None:
        if not members(chat_id) and manager.pubsub is not None and channel_of(chat_id) in manager.pubsub.channels:
            # Whether others listen can be told as soon as Redis has heard that this worker does no longer.
            with suppress(TimeoutError):
                await asyncio.wait_for(manager._wait_for_rooms(), _LEAVE_TIMEOUT)
        token = asked_for.set(chat_id)
        try:
            await publish(chat_id)
        finally:
            asked_for.reset(token)

    def get_session_pool_batches() -> Iterable[list[tuple[str, Any]]]:
        chat_id = asked_for.get()
        found = None if chat_id is None else sessions_of(chat_id)
        return all_batches() if found is None else [found]

    def sessions_of(chat_id: str) -> list[tuple[str, Any]] | None:
        """The sessions that have the chat open, if no other worker has any of them."""
        sids = members(chat_id)
        with suppress(RedisError), pool.redis.pipeline(transaction=False) as pipe:
            pipe.pubsub_numsub(channel_of(chat_id))
            if sids:
                pipe.hmget(pool.name, sids)
            ((_, listeners),), *sessions = pipe.execute()
            if listeners == bool(sids):
                return [
                    (sid, main.JSONCodec.loads(session))
                    for sid, session in zip(sids, *sessions, strict=True)
                    if session is not None
                ]
        return None

    main.publish_chat_presence = publish_chat_presence
    main.get_session_pool_batches = get_session_pool_batches
