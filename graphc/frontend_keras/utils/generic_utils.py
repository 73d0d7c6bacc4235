"""Custom objects, (de)serialization by name, and the small list helpers of keras.utils.generic_utils.

What does not live here: the registries of names (each in its own module), file formats.
Nothing is ever imported because a configuration names it, and no bytecode is ever loaded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphc.errors import ArgumentError, ModelFormatError
from graphc.frontend_keras.utils.checks import did_you_mean
from graphc.frontend_keras.utils.progbar import Progbar

__all__ = ["CustomObjectScope", "Progbar", "check_for_unexpected_keys", "class_name_of", "custom_object_scope",
           "deserialize_keras_object", "get_custom_objects", "has_arg", "is_all_none", "is_custom", "object_list_uid",
           "serialize_keras_object", "slice_arrays", "to_list", "transpose_shape", "unpack_singleton"]

_CUSTOM_OBJECTS: dict[str, Any] = {}


class CustomObjectScope:
    """Within `with CustomObjectScope({name: object}, ...):` these names can be deserialized.

    On leaving, the global table is exactly what it was on entering.
    """

    def __init__(self, *tables: Mapping[str, Any]):
        self.custom_objects = tables
        self.backup: dict[str, Any] | None = None

    def __enter__(self) -> CustomObjectScope:
        self.backup = dict(_CUSTOM_OBJECTS)
        for table in self.custom_objects:
            _CUSTOM_OBJECTS.update(table)
        return self

    def __exit__(self, *exception: object) -> None:
        _CUSTOM_OBJECTS.clear()
        _CUSTOM_OBJECTS.update(self.backup or {})


def custom_object_scope(*tables: Mapping[str, Any]) -> CustomObjectScope:
    """A CustomObjectScope of `tables`."""
    return CustomObjectScope(*tables)


def get_custom_objects() -> dict[str, Any]:
    """The live global table of custom objects: name -> class or function."""
    return _CUSTOM_OBJECTS


def serialize_keras_object(instance: Any) -> Any:
    """None, {"class_name", "config"} of something with get_config, or the name of a function.

    Raises ArgumentError for anything else.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        return {"class_name": type(instance).__name__, "config": instance.get_config()}
    if hasattr(instance, "__name__"):
        return instance.__name__
    raise ArgumentError("Cannot serialize", expected="an object with get_config() or a named function",
                        got=repr(instance))


def deserialize_keras_object(identifier: Any, module_objects: Mapping[str, Any] | None = None,
                             custom_objects: Mapping[str, Any] | None = None,
                             printable_module_name: str = "object") -> Any:
    """The object that a name or a {"class_name", "config"} dict stands for.

    Looked up exactly, in this order: `custom_objects`, the global custom objects,
    `module_objects`. Other keys of the dict ("module", "registered_name", ...) are ignored:
    they never cause an import.

    Raises ArgumentError (a ValueError) for an unknown name, ModelFormatError for a malformed dict.
    """
    if isinstance(identifier, Mapping):
        class_name, config = _class_and_config(identifier, printable_module_name)
        target = _lookup(class_name, module_objects, custom_objects, printable_module_name, separator=": ")
        return _build(target, config, custom_objects)
    if isinstance(identifier, str):
        return _lookup(identifier, module_objects, custom_objects, printable_module_name, separator=":")
    raise ArgumentError(f"Could not interpret serialized {printable_module_name}",
                        expected="a name or a dict with class_name and config", got=repr(identifier))


def _class_and_config(identifier: Mapping[str, Any], kind: str) -> tuple[str, Mapping[str, Any]]:
    if "class_name" not in identifier or "config" not in identifier:
        raise ModelFormatError(f"Improper config format: {dict(identifier)!r}", where=kind,
                               expected="the keys class_name and config", got=sorted(map(str, identifier)))
    class_name, config = identifier["class_name"], identifier["config"]
    if not isinstance(class_name, str):
        raise ModelFormatError("class_name is not a string", where=kind, expected="a name", got=repr(class_name))
    return class_name, config


def _lookup(name: str, module_objects: Mapping[str, Any] | None, custom_objects: Mapping[str, Any] | None,
            kind: str, separator: str) -> Any:
    tables = [table for table in (custom_objects, _CUSTOM_OBJECTS, module_objects) if table]
    for key in dict.fromkeys((name, name.rpartition(">")[2])):  # later versions put a package in front: Custom>Name
        for table in tables:
            if table.get(key) is not None:
                return table[key]
    known = [candidate for table in tables for candidate in table]
    raise ArgumentError(f"Unknown {kind}{separator}{name}",
                        fix=did_you_mean(name, known) or f"If it is your own, pass custom_objects={{{name!r}: ...}}.")


def _build(target: Any, config: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    custom_objects = dict(custom_objects or {})
    if hasattr(target, "from_config"):
        if has_arg(target.from_config, "custom_objects"):
            return target.from_config(config, custom_objects={**_CUSTOM_OBJECTS, **custom_objects})
        with CustomObjectScope(custom_objects):
            return target.from_config(config)
    if not isinstance(config, Mapping):
        raise ModelFormatError("config is not a dict", where=getattr(target, "__name__", repr(target)),
                               expected="a dict of keywords", got=repr(config))
    with CustomObjectScope(custom_objects):
        return target(**config)


def is_custom(name: Any, custom_objects: Mapping[str, Any] | None = None) -> bool:
    """Whether the user has given an object of this name, which then wins over a built-in one."""
    return name in _CUSTOM_OBJECTS or name in (custom_objects or {})


def class_name_of(identifier: Any, custom_objects: Mapping[str, Any] | None = None) -> str:
    """The class name in a {"class_name", "config"} dict; "" for anything else and for a user's own class."""
    if not isinstance(identifier, Mapping):
        return ""
    class_name, _ = _class_and_config(identifier, "object")
    return "" if is_custom(class_name, custom_objects) else class_name


def has_arg(fn: Callable[..., Any], name: str, accept_all: bool = False) -> bool:
    """Whether `fn` can be called with keyword `name`; with `accept_all`, **kwargs counts as taking it."""
    parameters = inspect.signature(fn).parameters
    if name in parameters:
        return parameters[name].kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return accept_all and any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())


def to_list(x: Any, allow_tuple: bool = False) -> list[Any]:
    """`x` itself when a list, list(x) when a tuple and allowed, else [x]."""
    if isinstance(x, list):
        return x
    if allow_tuple and isinstance(x, tuple):
        return list(x)
    return [x]


def unpack_singleton(x: Any) -> Any:
    """The only item of a sequence of one, else `x`."""
    return x[0] if len(x) == 1 else x


def object_list_uid(object_list: Any) -> str:
    """A key that tells lists of live objects apart by identity."""
    return ", ".join(str(abs(id(one))) for one in to_list(object_list))


def is_all_none(iterable_or_element: Any) -> bool:
    """Whether the list or tuple holds nothing but None, or the element is None."""
    return all(one is None for one in to_list(iterable_or_element, allow_tuple=True))


def check_for_unexpected_keys(name: str, input_dict: Mapping[str, Any], expected_values: Iterable[str]) -> None:
    """Raises ArgumentError when `input_dict` has keys that are not expected."""
    expected = list(expected_values)
    unknown = [key for key in input_dict if key not in expected]
    if unknown:
        raise ArgumentError(f"Unknown entries in {name} dictionary: {unknown}. "
                            f"Only expected following keys: {expected}",
                            fix=did_you_mean(str(unknown[0]), expected))


def slice_arrays(arrays: Any, start: Any = None, stop: int | None = None) -> Any:
    """Rows of one array, or of each array of a list: `start:stop`, or those that a sequence `start` names.

    None in a list stays None; None instead of arrays gives [None].
    """
    if arrays is None:
        return [None]
    rows = start if hasattr(start, "__len__") else slice(start, stop)
    if isinstance(arrays, list):
        return [None if one is None else one[rows] for one in arrays]
    return arrays[rows]


def transpose_shape(shape: tuple[Any, ...], target_format: str, spatial_axes: tuple[int, ...]) -> tuple[Any, ...]:
    """A channels_last shape, with its channels moved where `target_format` keeps them.

    spatial_axes   axes of `shape` that count as spatial

    Raises ArgumentError for a format that is neither channels_first nor channels_last.
    """
    if target_format == "channels_last":
        return shape
    if target_format != "channels_first":
        raise ArgumentError("unknown `data_format`", expected="channels_first or channels_last", got=target_format)
    leading = shape[:spatial_axes[0]]
    return (*leading, shape[-1], *tuple(shape[axis] for axis in spatial_axes))
