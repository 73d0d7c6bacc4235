"""Plain values as JSON and arrays, and back again: the same types, the same bits.

JSON has no arrays, no NaN, no tuples and no NumPy numbers, and a list of a million losses makes a poor text. What it
lacks is written as an object with one key that begins with "$":

    {"$array": "0"}      an array; "0" is its name among the arrays
    {"$number": "1"}     a NumPy number, as an array of shape ()
    {"$numbers": "2"}    a list of NumPy numbers of one type; with "$plain": true, of many floats or whole numbers
    {"$float": "nan"}    nan, inf, -inf; {"$whole": "0x..."}: a whole number of more than 63 bits
    {"$tuple": [...]}    a tuple
    {"$pairs": [[k, v]]} a dict that has other keys than texts, or keys with a "$"

What does not live here: what the values mean (engine/resuming.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.errors import CheckpointError, ModelFormatError
from graphc.frontend_keras.saving.tensors import storable

_LONG = 16


def pack(value: Any, arrays: dict[str, np.ndarray], where: str) -> Any:
    """What JSON says for `value`; its arrays are added to `arrays`, not copied.

    Raises CheckpointError for a value of another kind, which `where` names.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.ndarray):
        return {"$array": _named(value, arrays, where)}
    if isinstance(value, np.generic):
        return {"$number": _named(np.asarray(value), arrays, where)}
    if isinstance(value, int):
        return value if abs(value) < 2**63 else {"$whole": hex(value)}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, list):
        kind = _one_kind(value)
        if kind is not None:
            return {"$numbers": _named(np.array(value, kind), arrays, where),
                    **({} if isinstance(value[0], np.generic) else {"$plain": True})}
        return [pack(one, arrays, f"{where}[{i}]") for i, one in enumerate(value)]
    if isinstance(value, tuple):
        return {"$tuple": [pack(one, arrays, f"{where}[{i}]") for i, one in enumerate(value)]}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: pack(one, arrays, f"{where}.{key}") for key, one in value.items()}
        return {"$pairs": [[pack(key, arrays, where), pack(one, arrays, f"{where}[{key!r}]")]
                           for key, one in value.items()]}
    raise CheckpointError("a value that a checkpoint cannot hold", where=where,
                          expected="numbers, texts, arrays, and lists, tuples and dicts of them",
                          got=type(value).__name__)


def _named(array: np.ndarray, arrays: dict[str, np.ndarray], where: str) -> str:
    if not storable(array.dtype):
        raise CheckpointError("an array that a checkpoint cannot hold", where=where, expected="plain numbers",
                              got=str(array.dtype))
    name = str(len(arrays))
    arrays[name] = array
    return name


def _one_kind(values: list[Any]) -> Any:
    """The element type in which all values of a list of numbers stand exactly; None for another or a short list."""
    if not values:
        return None
    kinds = {type(one) for one in values}
    kind = kinds.pop()
    if kinds:
        return None
    if issubclass(kind, np.generic):
        return kind if storable(np.dtype(kind)) else None
    if len(values) < _LONG or kind not in (int, float):
        return None
    if kind is int and max(map(abs, values)) >= 2**63:
        return None
    return "f8" if kind is float else "i8"


def unpack(packed: Any, arrays: Mapping[str, np.ndarray], where: str) -> Any:
    """The value that `pack` was given; arrays are read-only views of `arrays`, each of which stands in it once.

    Raises ModelFormatError for anything that `pack` does not write.
    """
    left = dict(arrays)
    value = _unpacked(packed, left, where)
    if left:
        raise ModelFormatError("arrays that nothing refers to", where=where, got=f"{sorted(left)!r:.100}")
    return value


def _unpacked(packed: Any, left: dict[str, np.ndarray], where: str) -> Any:
    if isinstance(packed, list):
        return [_unpacked(one, left, f"{where}[{i}]") for i, one in enumerate(packed)]
    if not isinstance(packed, dict):
        return packed
    if not any(key.startswith("$") for key in packed):
        return {key: _unpacked(one, left, f"{where}.{key}") for key, one in packed.items()}
    match packed:
        case {"$array": str(name), **rest} if not rest:
            return _taken(name, left, where)
        case {"$number": str(name), **rest} if not rest:
            return _taken(name, left, where, rank=0)[()]
        case {"$numbers": str(name), "$plain": True, **rest} if not rest:
            return _taken(name, left, where, rank=1).tolist()
        case {"$numbers": str(name), **rest} if not rest:
            return list(_taken(name, left, where, rank=1))
        case {"$float": "nan" | "inf" | "-inf" as text, **rest} if not rest:
            return float(text)
        case {"$whole": str(text), **rest} if not rest and len(text) < 1000 and _is_hex(text):
            return int(text, 16)
        case {"$tuple": list(items), **rest} if not rest:
            return tuple(_unpacked(one, left, f"{where}[{i}]") for i, one in enumerate(items))
        case {"$pairs": list(pairs), **rest} if not rest and all(isinstance(p, list) and len(p) == 2 for p in pairs):
            return _dict_of([(_unpacked(key, left, where), _unpacked(one, left, where)) for key, one in pairs], where)
    raise ModelFormatError("not a value of a checkpoint", where=where, got=f"{packed!r:.200}")


def _taken(name: str, left: dict[str, np.ndarray], where: str, rank: int | None = None) -> np.ndarray:
    array = left.pop(name, None)
    if array is None or rank not in (None, array.ndim):
        raise ModelFormatError("an array is missing, or of another shape", where=where, got=f"{name!r:.80}")
    return array


def _is_hex(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.startswith("0x") and all(c in "0123456789abcdef" for c in digits[2:]) and len(digits) > 2


def _dict_of(pairs: list[tuple[Any, Any]], where: str) -> dict[Any, Any]:
    try:
        return dict(pairs)
    except TypeError as error:
        raise ModelFormatError("a key that is no name", where=where, got=str(error)) from error
