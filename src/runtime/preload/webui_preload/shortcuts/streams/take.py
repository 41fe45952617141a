"""Puts what streams spare in place, where Open WebUI and its libraries are those that it was made for."""

import importlib
from collections.abc import Callable
from typing import Any

from ..known_source import are_known
from .appends import append_with
from .chats import read_chats_together
from .pipe import Pipe

#: The functions whose steps are relied upon, as in Open WebUI 0.12.4 and what it brings: digests of their source.
HANDLING = {
    "open_webui.utils.middleware:streaming_chat_response_handler": "0ce9f11989d3ce2e",
    "open_webui.utils.session_pool:stream_wrapper": "9c5fef92873c06d5",
    "open_webui.utils.misc:stream_chunks_handler": "3c0d0ac9463428db",
    "open_webui.utils.filter:get_function_module": "ad498685401442bb",
    "aiohttp.streams:StreamReader.readany": "766f946ae360b8ea",
    "aiohttp.streams:StreamReader.read_nowait": "e340a15bd631cecb",
}
PUBLISHING = {
    "open_webui.socket.redis_room_channels:AsyncRedisRoomChannelManager._publish": "92063204b6b6d728",
    "socketio.async_pubsub_manager:AsyncPubSubManager.emit": "6cc46e0ff9b6d7cf",
    "socketio.async_pubsub_manager:AsyncPubSubManager._handle_emit": "4284671be955f644",
    "socketio.async_manager:AsyncManager.emit": "01ccd5b82b4f955e",
    "redis.asyncio.connection:AbstractConnection.send_packed_command": "baaeabd916209157",
}
APPENDING = {
    "open_webui.tasks:append_response_stream": "beab464fc6816a84",
}


def take_shortcuts_of_streams() -> None:
    """For the imported app, before the forks."""
    middleware: Any = importlib.import_module("open_webui.utils.middleware")
    settings: Any = importlib.import_module("open_webui.env")
    handles = are_known("how it handles a streamed token", HANDLING)
    # The app looks for a picture in each piece of text by itself, or limits each line.
    looks_at_pieces = settings.ENABLE_CHAT_RESPONSE_BASE64_IMAGE_URL_CONVERSION
    limits_lines = settings.CHAT_STREAM_RESPONSE_CHUNK_MAX_BUFFER_SIZE
    if handles and not looks_at_pieces and not limits_lines:
        read_chats_together(middleware)
    manager = importlib.import_module("open_webui.socket.main").sio.manager
    if has_rooms_in_plain_redis(manager) and are_known("how it sends events through Redis", PUBLISHING):
        pipe = _give_pipe(manager)
        is_one_redis = settings.REDIS_URL == settings.WEBSOCKET_REDIS_URL and not settings.REDIS_CLUSTER
        if is_one_redis and handles and are_known("how it keeps answers for a page that opens them", APPENDING):
            append_with(pipe, middleware)


def has_rooms_in_plain_redis(manager: Any) -> bool:
    """Not by way of sentinels, which may name another server for each connection."""
    scheme = getattr(manager, "redis_url", "").partition(":")[0]
    return type(manager).__name__ == "AsyncRedisRoomChannelManager" and scheme in ("redis", "rediss", "unix")


def _give_pipe(manager: Any) -> Pipe:
    from .rooms import Rooms  # it imports Open WebUI

    pipe = Pipe(_connections_of(manager))
    manager.pipe = pipe
    manager.__class__ = Rooms
    return pipe


def _connections_of(manager: Any) -> Callable[[], Any]:
    return lambda: manager.redis.connection_pool.make_connection()
