"""`import keras` means graphc.frontend_keras in this process, once this is asked for.

`keras.x` and `graphc.frontend_keras.x` are the same module object, so that a class is one class however it was
imported. What does not live here: running scripts (graphc.cli.run).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from graphc.errors import ArgumentError

ALIAS, REAL = "keras", "graphc.frontend_keras"


def install_as_keras() -> None:
    """Make `import keras`, `from keras.layers import ...` and the like import graphc's frontend from now on.

    Only this process is changed. Raises ArgumentError where another Keras has been imported already.
    """
    present = sys.modules.get(ALIAS)
    if present is not None and present.__name__ != REAL:
        raise ArgumentError("another Keras has been imported already", where="install_as_keras",
                            got=getattr(present, "__file__", None) or "a module without a file",
                            fix="Call install_as_keras() before the first `import keras`.")
    if not any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, AliasFinder())


class AliasFinder(MetaPathFinder):
    """Answers for `keras` and everything below it."""

    def find_spec(self, fullname: str, path: Sequence[str] | None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != ALIAS and not fullname.startswith(f"{ALIAS}."):
            return None
        name = REAL + fullname[len(ALIAS):]
        real = find_spec(name)
        if real is None:
            return None
        return ModuleSpec(fullname, _AliasLoader(name), is_package=real.submodule_search_locations is not None)


class _AliasLoader(Loader):
    """Hands out the real module, and gives it back its own spec, which the import system overwrites."""

    def __init__(self, real: str):
        self.real = real
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.real)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec
