"""Lets modules of the app name what they take from a library without an import of that library.

Their import statements give stand-ins. The first use of one imports the library, and puts what was named in place of
all stand-ins of that module. A stand-in can be called, asked for an attribute, named by ``isinstance``, ``except``
and an annotation, and be the base of a class: from its first use on, all of that means the real one. A value, such as
a number, must not be put off: it is used where nobody notices.
"""

import builtins
import contextlib
import importlib
import importlib.util
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

#: Of a stand-in: the library, the name in it, and the namespace of the module that named it.
_ORIGIN = "_webui_tune_origin"


@contextlib.contextmanager
def put_off(libraries: Mapping[str, Collection[str]]) -> Iterator[None]:
    """While active, imports of ``libraries`` by a module (the key) are put off.

    Only its own statements are meant, not those of modules that it imports. ``import a.b`` is not put off. A library
    is named in full, also where the statement is relative.
    """
    real_import: Any = builtins.__import__

    def import_(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        importer = str((globals or {}).get("__name__"))
        if isinstance(globals, dict) and importer in libraries:
            library = importlib.util.resolve_name("." * level + name, globals.get("__package__"))
            if library in libraries[importer]:
                if fromlist:
                    return _with_names(library, fromlist, globals)
                if "." not in name:
                    return _StandInModule(name, globals)
        module: ModuleType = real_import(name, globals, locals, fromlist, level)
        return module

    builtins.__import__ = import_
    try:
        yield
    finally:
        builtins.__import__ = real_import


class _StandIn(type):
    """Class of the classes that stand in for a name of a library."""

    def __new__(mcs, name: str, bases: tuple[type, ...], members: dict[str, Any]) -> Any:
        if any(isinstance(base, _StandIn) for base in bases):
            real = tuple(_use(base) if isinstance(base, _StandIn) else base for base in bases)
            return type(real[0])(name, real, members)
        return super().__new__(mcs, name, bases, members)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _use(cls)(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_use(cls), name)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _use(cls))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _use(cls))


class _StandInModule(ModuleType):
    """Stands in for a library that was imported as a whole."""

    def __init__(self, name: str, namespace: dict[str, object]) -> None:
        super().__init__(name)
        self.__dict__[_ORIGIN] = (name, "", namespace)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_use(self), name)


def _with_names(library: str, names: Sequence[str], namespace: dict[str, object]) -> ModuleType:
    """What an import statement takes ``names`` from."""
    module = ModuleType(library)
    for name in names:
        # `except` wants a class of exceptions.
        vars(module)[name] = _StandIn(name, (Exception,), {_ORIGIN: (library, name, namespace)})
    return module


def _use(stand_in: Any) -> Any:
    """What it stands in for. From now on, its module has the real ones. Two threads may do the same at once."""
    namespace = vars(stand_in)[_ORIGIN][2]
    for name, value in list(namespace.items()):
        if isinstance(value, _StandInModule) or type(value) is _StandIn:
            namespace[name] = _real(value)
    return _real(stand_in)


def _real(stand_in: Any) -> Any:
    library, name, _ = vars(stand_in)[_ORIGIN]
    module = importlib.import_module(library)
    if not name:
        return module
    with contextlib.suppress(AttributeError):
        return getattr(module, name)
    return importlib.import_module(f"{library}.{name}")
