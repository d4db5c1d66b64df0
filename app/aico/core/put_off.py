"""Puts off the import of a module that a library imports at once and we have no use for. For a process that is ours."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Protocol, cast

_LOCK = Lock()
"""Of two threads that ask first, one takes the place away."""


def put_off(name: str, *taken: str, **known: object) -> None:
    """Let the module ``name`` be imported when it is first asked for anything that is not ``known`` of it.

    ``taken`` are functions and classes that a library takes from it at once: it is imported when anything is done with
    one of them. Such a module has no others below it.
    """
    late = sys.modules.setdefault(name, _PutOff(name, taken, known))
    above, _, own_name = name.rpartition(".")
    if above and not hasattr(parent := import_module(above), own_name):
        # An import of what is there already does not name it in the module above.
        setattr(parent, own_name, late)


class _PutOff(ModuleType):
    """Stands for a module. ``importlib.util.LazyLoader`` does so only until the next ``import`` of it."""

    def __init__(self, name: str, taken: tuple[str, ...], known: dict[str, object]) -> None:
        super().__init__(name)
        self.__dict__.update({each: _Taken(self, each) for each in taken} | known)
        self._is_alone = bool(taken)

    def __getattr__(self, name: str) -> object:
        """Return what the module itself has under ``name``."""
        if name == "__path__" and self._is_alone:
            # Each ``from`` asks for it, which looks for modules below this one.
            raise AttributeError(name)
        return self.find(name)

    def find(self, name: str) -> object:
        """Return the same, also of what was taken or is known."""
        with _LOCK:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


class _Taken:
    """Stands for a function or class of such a module."""

    def __init__(self, module: _PutOff, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *arguments: object, **named: object) -> object:
        """Call it."""
        return cast("_Called", self._module.find(self._name))(*arguments, **named)

    def __getattr__(self, name: str) -> object:
        """Return what the class itself has under ``name``."""
        return getattr(self._module.find(self._name), name)

    def __instancecheck__(self, instance: object) -> bool:
        """Return whether ``instance`` is one of the class."""
        return isinstance(instance, cast("type", self._module.find(self._name)))


class _Called(Protocol):
    def __call__(self, *arguments: object, **named: object) -> object: ...
