"""Shapes as users give them, and the names of layers.

What does not live here: symbolic sizes (backend/symbols.py).
"""

from __future__ import annotations

import operator
import re
from typing import Any

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras import backend as K

StaticShape = tuple[int | None, ...]


def shape_argument(value: Any, name: str, where: str) -> StaticShape:
    """`value` as a tuple of sizes and Nones; one number n is taken as (n,), with a warning.

    Raises ArgumentError for anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        warn(f"{where}: `{name}` is a tuple; {name}={value} is taken as {name}=({value},)")
        value = (value,)
    try:
        return tuple(None if size is None else _size(size) for size in value)
    except TypeError as error:
        raise ArgumentError(f"`{name}` is not a shape", where=where, expected="a tuple of sizes, None where unknown",
                            got=repr(value)) from error


def _size(value: Any) -> int:
    size = operator.index(value)
    if size < 0:
        raise TypeError("negative")
    return size


def positive(value: Any, name: str, where: str) -> int:
    """`value` as an integer of at least 1. Raises ArgumentError for anything else."""
    number = _whole(value)
    if number is None or number < 1 or isinstance(value, bool):
        raise ArgumentError(f"`{name}` is not a positive integer", where=where, expected="an integer >= 1",
                            got=repr(value))
    return number


def integer(value: Any, name: str, where: str) -> int:
    """`value` as an integer. Raises ArgumentError for anything else."""
    number = _whole(value)
    if number is None:
        raise ArgumentError(f"`{name}` is not an integer", where=where, expected="an integer", got=repr(value))
    return number


def length_of(data: Any) -> int | None:
    """The length of the first axis; None where there is none."""
    shape = getattr(data, "shape", None)
    if shape is not None:
        return None if not len(shape) or shape[0] is None else int(shape[0])
    return len(data) if hasattr(data, "__len__") else None


def _whole(value: Any) -> int | None:
    try:
        number = operator.index(value) if not isinstance(value, float) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number == value else None


def snake_case(name: str) -> str:
    """`MaxPooling2D` -> `max_pooling2d`; a leading underscore becomes `private_`."""
    words = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)).lower()
    return f"private{words}" if words.startswith("_") else words


def default_name(prefix: str) -> str:
    """`prefix_n` with the next number of this session."""
    return f"{prefix}_{K.get_uid(prefix)}"
