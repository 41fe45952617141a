"""Draws the random ids of the import anew in every worker.

Workers that are forked after the import would share these ids. But socket.io ignores messages from a manager with its
own id, and of two processes with one id of a Redis lock, both believe that they hold it. The ids are not listed here.
While the app is imported, every draw from the system's entropy is recorded. Then one search of the heap finds all
values that came of a draw, and each child writes new ones in the same places.
"""

import base64
import gc
import os
import random
import re
import sys
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from types import CellType, FrameType, GeneratorType, MemberDescriptorType, ModuleType, TracebackType
from typing import Any

#: Draws of fewer bytes are seeds of numbers: too short to be told from other values in the heap.
MIN_BYTES = 8

#: Strings that are longer (documentation, templates) are not searched for ids in them.
MAX_TEXT = 256

#: Types of the values that may come of a draw.
_KINDS = frozenset({str, bytes, int, uuid.UUID})
_KINDS_AND_DICT = _KINDS | {dict}

#: Objects that are looked at together. Nearly none of these groups holds an id, and only those that do are looked at
#: one by one.
_GROUP = 256

#: An id inside a longer text, as in ``suppress_instrumentation-<uuid>``.
_UUID_TEXT = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}")


class EntropyRecorder:
    """Records what ``os.urandom`` returns. ``uuid4``, ``secrets`` and the seeding of generators all draw from it."""

    def __init__(self) -> None:
        self.draws: list[bytes] = []
        self._original: Callable[[int], bytes] = os.urandom

    def __enter__(self) -> "EntropyRecorder":
        original = self._original

        def urandom(size: int, /) -> bytes:
            value = original(size)
            if size >= MIN_BYTES and value not in self.draws:
                self.draws.append(value)
            return value

        os.urandom = urandom
        # random and secrets bound the function to a name of their own when they were imported.
        random._urandom = urandom  # type: ignore[attr-defined]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.urandom = self._original
        random._urandom = self._original  # type: ignore[attr-defined]


def _uuid4(raw: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=raw, version=4)


#: Forms in which a draw may appear: uuid4 as object, text, hex, number and bytes; secrets.token_bytes, token_hex and
#: token_urlsafe.
_UUID_FORMS: tuple[Callable[[bytes], Any], ...] = (
    _uuid4,
    lambda raw: str(_uuid4(raw)),
    lambda raw: _uuid4(raw).hex,
    lambda raw: _uuid4(raw).int,
    lambda raw: _uuid4(raw).bytes,
)
_TOKEN_FORMS: tuple[Callable[[bytes], Any], ...] = (
    bytes,
    bytes.hex,
    lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
)


@dataclass(frozen=True)
class _Form:
    """A draw in one of its forms; ``make`` makes the same form of new bytes."""

    draw: bytes
    make: Callable[[bytes], Any]


@dataclass
class Identities:
    """Where the recorded draws are. ``places`` names them for people; ``unreachable`` are those that stay."""

    places: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    _writers: list[Callable[["Fresh"], None]] = field(default_factory=list)

    def redraw(self) -> None:
        """Give this process values of its own. Call it in the child, right after the fork."""
        random.seed()
        # Only if it is loaded: numpy imports this part on demand, which would cost each worker 10 MiB.
        if generator := sys.modules.get("numpy.random"):
            generator.seed()
        fresh = Fresh()
        for write in self._writers:
            write(fresh)

    def add(self, place: str, write: Callable[["Fresh"], None]) -> None:
        self.places.append(place)
        self._writers.append(write)


class Fresh(dict[bytes, bytes]):
    """New bytes for each recorded draw: the same in all places of that draw."""

    def __missing__(self, draw: bytes) -> bytes:
        self[draw] = os.urandom(len(draw))
        return self[draw]


def find_identities(draws: list[bytes]) -> Identities:
    """Search the whole heap, once per generation."""
    found = Identities()
    search = _Search(draws, found)
    search.run()
    found.places.sort()
    return found


class _Search:
    def __init__(self, draws: list[bytes], found: Identities) -> None:
        self._found = found
        self._ignored = {id(draws), id(found), id(self.__dict__)}
        self._exact: dict[Any, _Form] = {}
        for draw in draws:
            for make in (_UUID_FORMS if len(draw) == 16 else ()) + _TOKEN_FORMS:
                self._exact[make(draw)] = _Form(draw, make)
        self._seen: set[tuple[int, Any]] = set()
        #: Those that may be a part of a longer text.
        self._parts_of_texts = [form for form in self._exact if type(form) is str and _UUID_TEXT.fullmatch(form)]
        self._modules: dict[int, str] = {}
        self._classes: dict[int, type] = {}

    def run(self) -> None:
        if not self._exact:
            return
        owners = _owners()
        self._ignored |= {id(owners), id(self._exact), id(self._parts_of_texts)}
        self._modules = {id(vars(module)): name for name, module in _modules()}
        kinds_of_classes = {kind for kind in set(map(type, owners)) if issubclass(kind, type)}
        self._classes = {id(_class_dict(owner)): owner for owner in owners if type(owner) in kinds_of_classes}
        for start in range(0, len(owners), _GROUP):
            group = owners[start : start + _GROUP]
            if not self._holds_an_id(group):
                continue
            for owner in group:
                if id(owner) not in self._ignored and type(owner) not in _OWN_TYPES:
                    self._look_into(owner, "")

    def _holds_an_id(self, group: list[Any]) -> bool:
        """Whether `_look_into` would find something in one of them, for all at once."""
        referents = [one for one in gc.get_referents(*group) if type(one) in _KINDS_AND_DICT]
        untracked = [one for one in referents if type(one) is dict and not gc.is_tracked(one)]
        keys = chain.from_iterable(one for one in chain(group, untracked) if type(one) is dict)
        values = [one for one in chain(referents, gc.get_referents(*untracked), keys) if type(one) in _KINDS]
        if not self._exact.keys().isdisjoint(values):
            return True
        texts = "\n".join([one for one in values if type(one) is str and 32 < len(one) <= MAX_TEXT])
        return any(part in texts for part in self._parts_of_texts)

    def _look_into(self, owner: Any, label: str) -> None:
        referents = gc.get_referents(owner)
        if type(owner) is dict:
            # Not among its referents where all keys are text (Objects/dictobject.c, dict_traverse).
            referents += [key for key in owner if type(key) is str and len(key) >= 2 * MIN_BYTES]
        for referent in referents:
            kind = type(referent)
            if kind in _KINDS:
                if self._is_hit(referent):
                    self._take(owner, referent, label or self._label(owner))
            elif kind is dict and not gc.is_tracked(referent):
                # The collector leaves out dictionaries that hold nothing but texts and numbers.
                self._look_into(referent, self._label(owner))

    def _label(self, owner: Any) -> str:
        if name := self._modules.get(id(owner)):
            return name
        kind = self._classes.get(id(owner)) or type(owner)
        return f"{kind.__module__}.{kind.__qualname__}"

    def _is_hit(self, value: Any) -> bool:
        if value in self._exact:
            return True
        return type(value) is str and 32 < len(value) <= MAX_TEXT and bool(self._parts(value))

    def _parts(self, value: str) -> list[str]:
        return [part for part in _UUID_TEXT.findall(value) if part in self._exact]

    def _take(self, owner: Any, value: Any, label: str) -> None:
        if type(owner) is uuid.UUID or self._label(owner) in _SEEDS:
            return  # replaced as a whole where it is kept; a generator is seeded anew
        slots = list(_slots_holding(owner, value, self._classes.get(id(owner))))
        if not slots:
            self._found.unreachable.append(f"a value inside a {label}")
        for slot in slots:
            if (id(slot.container), slot.key) in self._seen:
                continue
            self._seen.add((id(slot.container), slot.key))
            form = self._exact.get(value)
            self._found.add(f"{label}.{slot.key}", self._writer(slot, value, form))

    def _writer(self, slot: "_Slot", value: Any, form: _Form | None) -> Callable[["Fresh"], None]:
        if form:
            return lambda fresh: slot.write(form.make(fresh[form.draw]))
        parts = [(part, self._exact[part]) for part in self._parts(value)]

        def write(fresh: Fresh) -> None:
            text = value
            for part, inner in parts:
                text = text.replace(part, inner.make(fresh[inner.draw]))
            slot.write(text)

        return write


@dataclass(frozen=True)
class _Slot:
    """A place that holds a value and takes another."""

    container: Any
    key: Any
    write: Callable[[Any], None]


def _slots_holding(owner: Any, value: Any, owning_class: type | None) -> Iterator[_Slot]:
    if owning_class is not None:
        # With setattr, because a write to the class's dictionary would leave the interpreter's attribute cache stale.
        for name, item in list(vars(owning_class).items()):
            if item is value:
                yield _Slot(owning_class, name, lambda new, name=name: setattr(owning_class, name, new))  # type: ignore[misc]
    # type() and not isinstance(), which would ask lazy proxies for their class, and so load them.
    elif issubclass(type(owner), dict):
        yield from _dict_slots(owner, value)
    elif issubclass(type(owner), (list, deque)):
        for index, item in enumerate(owner):
            if item is value:
                yield _Slot(owner, index, lambda new, index=index: owner.__setitem__(index, new))  # type: ignore[misc]
    elif issubclass(type(owner), set):
        yield _Slot(owner, "element", lambda new: (owner.discard(value), owner.add(new))[0])
    elif isinstance(owner, CellType):
        yield _Slot(owner, "cell_contents", lambda new: setattr(owner, "cell_contents", new))
    elif not issubclass(type(owner), (tuple, frozenset)):
        yield from _attribute_slots(owner, value)


def _dict_slots(owner: dict[Any, Any], value: Any) -> Iterator[_Slot]:
    for key, item in list(owner.items()):
        if item is value:
            yield _Slot(owner, key, lambda new, key=key: owner.__setitem__(key, new))  # type: ignore[misc]
        if key is value:
            yield _Slot(owner, f"key {type(key).__name__}", lambda new, key=key: _rename(owner, key, new))  # type: ignore[misc]


def _rename(owner: dict[Any, Any], key: Any, new: Any) -> None:
    if key in owner:
        owner[new] = owner.pop(key)


def _attribute_slots(owner: Any, value: Any) -> Iterator[_Slot]:
    attributes = getattr(owner, "__dict__", None)
    if isinstance(attributes, dict):
        yield from _dict_slots(attributes, value)
    for base in type(owner).__mro__:
        for name, descriptor in vars(base).items():
            if isinstance(descriptor, MemberDescriptorType):
                try:
                    held = descriptor.__get__(owner)
                except AttributeError:
                    continue
                if held is value:
                    yield _Slot(owner, name, lambda new, d=descriptor: d.__set__(owner, new))  # type: ignore[misc]


#: Types that hold the seed of a generator of random numbers. One seed in 64 looks like a UUID's number.
_SEEDS = frozenset({"numpy.random.bit_generator.SeedSequence"})

#: Types of the search itself, whose objects hold the values that it looks for.
_OWN_TYPES = (_Form, _Slot, Identities, _Search, FrameType, GeneratorType)


def _owners() -> list[Any]:
    """All objects that the collector tracks, modules aside, and the dictionaries of modules that it does not.

    What a module in C refers to beside its dictionary may be free: _asyncio (3.12) names the iterators that it keeps
    for reuse, and whoever looked at one would free it again.
    """
    objects = gc.get_objects()
    dictionaries = [module_dict for one in objects if (module_dict := _module_dict(one)) is not None]
    untracked = [one for one in dictionaries if not gc.is_tracked(one)]
    return [one for one in objects if not issubclass(type(one), ModuleType)] + untracked


def _module_dict(value: Any) -> dict[str, Any] | None:
    # As the type itself would give it: a subclass may do more when it is asked.
    return ModuleType.__getattribute__(value, "__dict__") if issubclass(type(value), ModuleType) else None


def _modules() -> list[tuple[str, ModuleType]]:
    return [(name, module) for name, module in list(sys.modules.items()) if isinstance(module, ModuleType)]


def _class_dict(kind: type) -> Any:
    """The dictionary behind ``kind.__dict__``, which itself is a read-only view."""
    return gc.get_referents(kind.__dict__)[0]
