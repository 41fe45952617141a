"""Handles tokens together in the answers of chats, where nothing but the page and the database sees them."""

import importlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .answer import Answer
from .pace import Pace, make_pace

#: The parameter of a model or a user: the least number of tokens in an event.
_LEAST = "stream_delta_chunk_size"


class _Chat:
    """One answer of a chat, with the rounds in which tools are called."""

    def __init__(self, params: dict[str, Any], marks: str, count: int) -> None:
        self._params = params
        self._marks = marks
        self._count = count
        self._is_together = False
        self._answers: list[Answer] = []

    def read_together(self, response: Any) -> None:
        """Read the first response of the chat so, if it is one that can be."""
        # Who asks for a number of tokens in an event gets that of Open WebUI's counting.
        self._is_together = isinstance(response.body_iterator, Answer) and int(self._params.get(_LEAST) or 1) <= 1
        if self._is_together:
            self.follow(response)
        else:
            self.leave_alone()

    def follow(self, response: Any) -> None:
        """A further response of the same chat."""
        answer = getattr(response, "body_iterator", None)
        if self._is_together and isinstance(answer, Answer):
            answer.marks = self._marks
            self._answers.append(answer)

    def leave_alone(self) -> None:
        """As Open WebUI does it: each line by itself, and ``count`` of them in an event."""
        self._is_together = False
        for answer in self._answers:
            answer.marks = None
        self._params[_LEAST] = max(self._count, int(self._params.get(_LEAST) or 1))


_current: ContextVar[_Chat | None] = ContextVar("webui_tune_chat", default=None)


def read_chats_together(middleware: Any) -> None:
    """Replace what ``open_webui.utils.middleware`` calls for the answer of a chat (0.12.4)."""
    openai: Any = importlib.import_module("open_webui.routers.openai")
    pools: Any = importlib.import_module("open_webui.utils.session_pool")
    filters: Any = importlib.import_module("open_webui.utils.filter")
    pace = make_pace()
    # A line of ours is an event; those of others are counted as ever, by a parameter of the chat.
    count: int = middleware.CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE
    middleware.CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE = 1

    openai.stream_wrapper = _reading(openai.stream_wrapper, pools.cleanup_response, pace, count)

    handle = middleware.streaming_chat_response_handler
    get_filters = middleware.get_filter_functions
    generate = middleware.generate_chat_completion

    async def handle_together(response: Any, ctx: dict[str, Any]) -> Any:
        if not ctx["event_emitter"]:
            return await handle(response, ctx)  # a program asks; it gets each line as it came
        params = ctx["metadata"].setdefault("params", {})
        chat = _Chat(params, _marks(middleware, params), count)
        chat.read_together(response)
        former = _current.set(chat)
        try:
            return await handle(response, ctx)
        finally:
            _current.reset(former)

    async def get_filters_of_chat(request: Any, *args: Any) -> Any:
        functions = await get_filters(request, *args)
        if (chat := _current.get()) is not None:
            for function in functions:
                module = await filters.get_function_module(request, function.id, function=function)
                if callable(getattr(module, "stream", None)):
                    chat.leave_alone()  # it wants to see each token
        return functions

    async def generate_together(*args: Any, **kwargs: Any) -> Any:
        response = await generate(*args, **kwargs)
        if (chat := _current.get()) is not None:
            chat.follow(response)
        return response

    middleware.streaming_chat_response_handler = handle_together
    middleware.get_filter_functions = get_filters_of_chat
    middleware.generate_chat_completion = generate_together


def _reading(read: Callable[..., Any], clean_up: Callable[..., Any], pace: Pace, count: int) -> Callable[..., Any]:
    def read_lines(response: Any, session: Any = None, passthrough: bool = False) -> Any:
        if session is not None or passthrough:
            return read(response, session, passthrough)
        return Answer(response, read, clean_up, pace, count)

    return read_lines


def _marks(middleware: Any, params: dict[str, Any]) -> str:
    """The last characters of all tags that the answer is searched for."""
    tags = [
        *middleware.DEFAULT_REASONING_TAGS,
        *middleware.DEFAULT_SOLUTION_TAGS,
        *middleware.DEFAULT_CODE_INTERPRETER_TAGS,
    ]
    own = params.get("reasoning_tags")
    if isinstance(own, list):
        tags.append(own)
    return "".join(sorted({str(tag)[-1:] for pair in tags for tag in pair}))
