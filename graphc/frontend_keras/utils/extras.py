"""Libraries that graphc does without until something is asked for that needs them.

What does not live here: the lists of extras (setup.cfg).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from graphc.errors import GraphcError


class MissingLibraryError(GraphcError, ImportError):
    """A library that an extra of graphc-compiler brings is not installed."""


def optional(module: str, extra: str, where: str) -> Any:
    """A module of an optional library. Raises MissingLibraryError, which names the extra."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingLibraryError(f"{module} is needed and cannot be imported", where=where, got=str(error),
                                  fix=f'Install the extra: pip install "graphc-compiler[{extra}]".') from error
