"""Puts off the import of a module that a library imports at once and we have no use for."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Lock
from types import ModuleType

_LOCK = Lock()
"""Of two threads that ask first, one takes the place away."""


def put_off(name: str) -> None:
    """Let the module ``name`` be imported when it is first asked for anything. For a process that is ours."""
    sys.modules.setdefault(name, _PutOff(name))


class _PutOff(ModuleType):
    """Stands for a module. ``importlib.util.LazyLoader`` does so only until the next ``import`` of it."""

    def __getattr__(self, name: str) -> object:
        """Return what the module itself has under ``name``."""
        with _LOCK:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)
