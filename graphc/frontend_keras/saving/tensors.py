"""Files of named arrays in the form of safetensors: a length, a header in JSON, then nothing but numbers.

    u64 little-endian   bytes of the header
    header              {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}, padded with spaces
    the arrays          little-endian, in C order, one behind the other without gaps

What does not live here: what the arrays mean (checkpoints.py), the disk (runtime/files.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from graphc.errors import ModelFormatError
from graphc.frontend_keras.saving.text import MAX_TEXT, parse_json

_NAMES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
          "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1"}
_DTYPES = {name: np.dtype(text) for name, text in _NAMES.items()}
_NAME_OF = {dtype: name for name, dtype in _DTYPES.items()}
_ALIGNMENT, _MAX_NAME, _MAX_RANK = 8, 256, 32


def storable(dtype: np.dtype) -> bool:
    """Whether arrays of this type can stand in such a file."""
    return dtype.newbyteorder("<") in _NAME_OF


def parts(arrays: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """The file's content, piece by piece; arrays in C order are not copied."""
    header: dict[str, Any] = {}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        header[name] = {"dtype": _NAME_OF[array.dtype.newbyteorder("<")], "shape": list(array.shape),
                        "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    yield len(text).to_bytes(8, "little") + text
    for array in arrays.values():
        if array.size:
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            yield little.reshape(-1).view(np.uint8).data


def parsed(content: bytes, where: str) -> dict[str, np.ndarray]:
    """The arrays of a file's content, which they are views of. Raises ModelFormatError for all that is not sound."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, MAX_TEXT):
        raise ModelFormatError("the header is longer than the file", where=where, got=f"{length} bytes")
    header = parse_json(content[8:8 + length], where)
    if not isinstance(header, dict):
        raise ModelFormatError("the header is no table of arrays", where=where, got=type(header).__name__)
    header.pop("__metadata__", None)
    found: dict[str, np.ndarray] = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: _begin(item[1])):
        dtype, shape, (start, stop) = _checked(name, entry, where)
        size = prod(shape) * dtype.itemsize
        if start != end or stop - start != size or 8 + length + stop > len(content):
            raise ModelFormatError("the array lies in another place than its neighbours leave",
                                   where=f"{where}, {name}", expected=f"{size} bytes from {end}",
                                   got=f"{start} to {stop}")
        found[name] = np.frombuffer(content, dtype, prod(shape), 8 + length + start).reshape(shape)
        end = stop
    if 8 + length + end != len(content):
        raise ModelFormatError("bytes that belong to no array", where=where, got=len(content) - 8 - length - end)
    return found


def _begin(entry: Any) -> Any:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    return tuple(offsets) if isinstance(offsets, list) and all(type(n) is int for n in offsets) else ()


def _checked(name: str, entry: Any, where: str) -> tuple[np.dtype, list[int], list[int]]:
    sound = isinstance(entry, dict) and entry.keys() == {"dtype", "shape", "data_offsets"} and len(name) <= _MAX_NAME
    if sound:
        numbers = [entry["shape"], entry["data_offsets"]]
        sound = (isinstance(entry["dtype"], str) and entry["dtype"] in _DTYPES and len(numbers[1]) == 2
                 if all(isinstance(one, list) for one in numbers) else False)
        sound = sound and all(type(n) is int and 0 <= n < 2**53 for one in numbers for n in one)
        sound = sound and len(numbers[0]) <= _MAX_RANK
    if not sound:
        raise ModelFormatError("not the description of an array", where=f"{where}, {name!r:.80}", got=f"{entry!r:.200}")
    return _DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
