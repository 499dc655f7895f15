"""Packages of which only what is used is imported.

A fresh process shows nothing until its imports are done, and much of what they bring along is never
called: ccxt imports every one of its hundred exchanges, scikit-learn all of `scipy.stats`. Whoever
asks for more than what is named here gets the whole package, only later.
"""

import importlib
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


def without_init(package: str, *later: str) -> None:
    """Let modules of a package be imported without its own ``__init__``.

    That runs when somebody asks the package itself for a name; but what takes one of the names
    ``later`` from it only makes it run once something is done with what was taken. A package that
    is imported already stays as it is.

    Parameters
    ----------
    package : str
    *later : str
        Names of functions, or of objects that are only called and asked for their attributes.

    Raises
    ------
    ModuleNotFoundError
        If there is no such package.
    """
    if package in sys.modules:
        return
    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    bare = module_from_spec(spec)

    def found(name: str) -> Any:
        if sys.modules.get(package) is bare:
            del sys.modules[package]
        whole = importlib.import_module(package)
        _keep_modules(bare, whole)
        return getattr(whole, name)

    def given(name: str) -> Any:
        # The import itself, and many a tool, look for special names in every module.
        if name.startswith("__"):
            raise AttributeError(name)
        return _Later(partial(found, name)) if name in later else found(name)

    bare.__dict__["__getattr__"] = given
    sys.modules[package] = bare
    above, _, name = package.rpartition(".")
    if above:
        setattr(sys.modules[above], name, bare)


def _keep_modules(bare: ModuleType, whole: ModuleType) -> None:
    """Modules that were imported before their package know each other as attributes of it."""
    for name, value in list(vars(bare).items()):
        if isinstance(value, ModuleType):
            vars(whole).setdefault(name, value)


class _Later:
    """Stands in for an object until something is done with it."""

    def __init__(self, found: Callable[[], Any]) -> None:
        self._found = found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._found()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found(), name)
