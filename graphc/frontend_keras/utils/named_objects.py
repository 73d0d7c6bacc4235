"""Objects that go by name: how a name, a configuration or a callable stands for a constraint, a regularizer, ...

What does not live here: the tables of names (each in its own module), reading configurations (generic_utils.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras.utils.generic_utils import deserialize_keras_object, is_custom


class NamedObjects:
    """The objects of one kind; its methods are the `deserialize` and `get` of that kind's module.

    kind   what they are called, in the singular
    table  name -> class, or function, that makes one
    """

    def __init__(self, kind: str, table: Mapping[str, Any]):
        self.kind, self.table = kind, MappingProxyType(dict(table))

    def deserialize(self, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The object of a configuration.

        Raises ArgumentError (a ValueError) for an unknown name, ModelFormatError for a malformed configuration.
        """
        return deserialize_keras_object(config, module_objects=self.table, custom_objects=custom_objects,
                                        printable_module_name=self.kind)

    def get(self, identifier: Any) -> Any:
        """The object that a name or a configuration stands for; callables and None stay what they are.

        Raises ArgumentError (a ValueError) for an unknown name and for anything else.
        """
        if identifier is None:
            return None
        if isinstance(identifier, Mapping):
            return self.deserialize(identifier)
        if isinstance(identifier, str):
            return self._named(identifier)
        if callable(identifier):
            return identifier
        article = "an" if self.kind[0] in "aeiou" else "a"
        raise ArgumentError(f"Could not interpret {self.kind} identifier",
                            expected=f"a name, {article} {self.kind}, a function or None", got=repr(identifier))

    def _named(self, name: str) -> Any:
        """What a name stands for: made without arguments, but a user's function that needs some is meant itself."""
        if is_custom(name):
            found = deserialize_keras_object(name, self.table, printable_module_name=self.kind)
            if inspect.isfunction(found) and _needs_arguments(found):
                return found
        return self.deserialize({"class_name": name, "config": {}})


def _needs_arguments(function: Any) -> bool:
    return any(one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
               for one in inspect.signature(function).parameters.values())
