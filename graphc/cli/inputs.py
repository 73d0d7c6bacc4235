"""Arrays that a user gives a model, from an npz file: `graphc check --inputs`, `graphc bisect --inputs`.

The file is a zip of .npy entries. An entry is read only once its header, the zip's own sizes and the input it is meant
for agree, and never unpickled.

What does not live here: inputs that nobody gave (feeds.py).
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from math import prod
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy

from graphc.cli.feeds import MAX_ELEMENTS, feed_for
from graphc.errors import ModelFormatError
from graphc.ir.dims import SymExpr
from graphc.ir.graph import Graph, Value
from graphc.ir.printer import names_of

MAX_ENTRIES = 1024
MAX_HEADER = 10_000  # bytes, NumPy's own limit
_NUMBERED = re.compile(r"(?:arr_|x|input_|)(\d{1,4})")
_VERSION = (1, 0)    # of a .npy entry: its header has at most 64 KiB


def read_inputs(path: str, inputs: Sequence[tuple[str, Value]]) -> dict[int, np.ndarray]:
    """The arrays of the file by the positions of `inputs`, which are (name, value); not all need be there.

    An entry belongs to the input of its name; where no name is an input's, entries are numbered from 0 (arr_0, x0, 0).
    Raises OSError, ModelFormatError for what is no such file or does not fit the inputs.
    """
    try:
        with zipfile.ZipFile(path) as file:
            entries = _entries(file, path)
            places = _places(list(entries), [name for name, _ in inputs], path)
            return {place: _array(file, entries[name], inputs[place], f"{path}, {name}")
                    for name, place in places.items()}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ModelFormatError("not an npz file that can be read", where=path, got=f"{error!s:.200}") from error


def feed_of(graph: Graph, states: Mapping[int, Any], loaded: Any, path: str | None, seed: int,
            batch: int | None) -> list[np.ndarray]:
    """One array per input of the graph: the file's, a state's own, or random numbers."""
    explicit = [position for position in range(len(graph.inputs)) if position not in states]
    names = names_of(graph)
    told = list(getattr(loaded, "input_names", []))[:len(explicit)]
    called = [*told, *(names[graph.inputs[position]] for position in explicit[len(told):])]
    given = {} if path is None else read_inputs(path, [(name, graph.inputs[position])
                                                       for name, position in zip(called, explicit, strict=True)])
    return feed_for(graph, states, seed, batch, {explicit[place]: array for place, array in given.items()})


def _entries(file: zipfile.ZipFile, path: str) -> dict[str, zipfile.ZipInfo]:
    infos = file.infolist()
    if len(infos) > MAX_ENTRIES:
        raise ModelFormatError("the file holds too many arrays", where=path, expected=f"at most {MAX_ENTRIES}",
                               got=len(infos))
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in entries:
            raise ModelFormatError("not an npz file: each entry is one array", where=path,
                                   got=f"{info.filename!r:.100}")
        entries[name] = info
    if not entries:
        raise ModelFormatError("the file holds no arrays", where=path)
    return entries


def _places(names: Sequence[str], inputs: Sequence[str], path: str) -> dict[str, int]:
    """Which input each entry is for."""
    if all(name in inputs for name in names):
        return {name: inputs.index(name) for name in names}
    numbers = [_NUMBERED.fullmatch(name) for name in names]
    places = {name: int(match[1]) for name, match in zip(names, numbers, strict=True)
              if match and int(match[1]) < len(inputs)}
    if len(places) != len(names) or len(set(places.values())) != len(names):
        raise ModelFormatError("the arrays are not the model's inputs", where=path,
                               expected=", ".join(inputs[:20]) + f"; or arr_0 to arr_{len(inputs) - 1}",
                               got=", ".join(f"{name:.50}" for name in names[:20]))
    return places


def _array(file: zipfile.ZipFile, info: zipfile.ZipInfo, wanted: tuple[str, Value], where: str) -> np.ndarray:
    name, value = wanted
    with file.open(info) as entry:
        shape, fortran, dtype = _header(entry, where)
        _check(shape, dtype, name, value, where)
        size = prod(shape) * dtype.itemsize
        content = entry.read(size + 1)
    if len(content) != size:
        raise ModelFormatError("the array has not the bytes its header declares", where=where, expected=size,
                               got=f"{len(content)} or more")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
    target = value.type.dtype.numpy
    if target.kind in "iu" and array.size and not (int(array.min()) >= np.iinfo(target).min
                                                   and int(array.max()) <= np.iinfo(target).max):
        raise ModelFormatError("the array holds numbers that the input cannot hold", where=where,
                               expected=f"{name}: {value.type}", got=f"{array.min()} to {array.max()}")
    with np.errstate(over="ignore"):
        return array.astype(target, order="C")


def _header(entry: Any, where: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = npy.read_magic(entry)
        if version != _VERSION:
            raise ValueError(f"version {version}")
        found: tuple[tuple[int, ...], bool, np.dtype] = npy.read_array_header_1_0(entry, max_header_size=MAX_HEADER)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, UnicodeError, TokenError) as error:
        raise ModelFormatError("not an array that can be read", where=where, got=f"{error!s:.200}") from error
    return found


def _check(shape: tuple[int, ...], dtype: np.dtype, name: str, value: Value, where: str) -> None:
    kind, target = dtype.kind, value.type.dtype
    fits = kind in "biuf" and dtype.fields is None and dtype.subdtype is None and (
        target.is_float or (kind in "biu" and np.can_cast(dtype, target.numpy, "same_kind")))
    if not fits:
        raise ModelFormatError("the array's numbers are not of the input's kind", where=where,
                               expected=f"{name}: {value.type}", got=f"{dtype!s:.100}")
    if any(size < 0 for size in shape) or len(shape) != value.type.rank or any(
            not isinstance(d, SymExpr) and d != size for d, size in zip(value.type.shape, shape, strict=True)):
        raise ModelFormatError("the array has not the input's shape", where=where, expected=f"{name}: {value.type}",
                               got=f"shape {shape!s:.100}")
    if prod(shape) > MAX_ELEMENTS:
        raise ModelFormatError("the array is too large", where=where, expected=f"at most {MAX_ELEMENTS} elements",
                               got=f"shape {shape}")
