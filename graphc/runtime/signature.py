"""Checks of what a compiled graph is called with, before anything runs.

What does not live here: running; the conversion of model inputs (the frontend's).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from graphc.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.dims import Dim, Symbol, SymExpr, bind, symbols
from graphc.ir.graph import Value


class Signature:
    """Names and types of the inputs that are passed at call time."""

    def __init__(self, inputs: Sequence[Value]):
        self.names = [v.hint or f"input {i}" for i, v in enumerate(inputs)]
        self.types = [v.type for v in inputs]
        self.dtypes = [v.type.dtype.numpy for v in inputs]

    def arrays(self, given: Sequence[Any]) -> list[np.ndarray]:
        """`given` as arrays of the declared dtypes. Raises DTypeError, ShapeError (a wrong count)."""
        if len(given) != len(self.names):
            raise ShapeError("wrong number of inputs", expected=f"{len(self.names)} ({', '.join(self.names)})",
                             got=len(given))
        return [self._array(i, value) for i, value in enumerate(given)]

    def _array(self, i: int, value: Any) -> np.ndarray:
        array = np.asarray(value)
        if array.dtype == self.dtypes[i]:
            return array
        if array.dtype.kind not in "biuf":
            raise DTypeError("cannot be read as numbers", where=self.names[i], expected=self.types[i].dtype,
                             got=array.dtype)
        return in_type(array, self.dtypes[i], self.names[i])

    def sizes(self, shapes: Sequence[tuple[int, ...]], leading: Sequence[int] = ()) -> dict[str, int]:
        """The value of every symbol, from the shapes of the inputs.

        leading lists inputs whose first dimension is already divided by the number of steps.
        Raises ShapeError naming the input whose rank or size does not fit.
        """
        found: dict[str, int] = {}
        for type_, shape, name in zip(self.types, shapes, self.names, strict=True):
            if len(shape) != type_.rank:
                raise ShapeError(f"rank {len(shape)} instead of {type_.rank}", where=name, expected=type_,
                                 got=f"an array of shape {shape}")
            for dim, size in zip(type_.shape, shape, strict=True):
                name_of = _plain_symbol(dim)
                if name_of is not None:
                    found.setdefault(name_of, size)
        for type_, shape, name in zip(self.types, shapes, self.names, strict=True):
            for axis, (dim, size) in enumerate(zip(type_.shape, shape, strict=True)):
                want = bind(dim, found)
                if not isinstance(want, int):
                    raise ShapeError(f"the sizes of {', '.join(sorted(symbols(want)))} cannot be told from the inputs",
                                     where=name, expected=type_, got=f"an array of shape {shape}")
                if want != size:
                    raise ShapeError(f"axis {axis} has the wrong size", where=name,
                                     expected=f"{type_}" + ("" if want == dim else f" with {dim} = {want}"),
                                     got=f"an array of shape {shape}")
        return found


def in_type(array: np.ndarray, dtype: np.dtype, where: str) -> np.ndarray:
    """`array` with this element type, itself where it has it. Floats that are whole may become integers.

    Raises DTypeError for a number that an integer type does not hold: a fraction, NaN, one that is too large.
    """
    if array.dtype == dtype:
        return array
    if dtype.kind not in "iu" or not array.size:
        return array.astype(dtype)
    low, high = _range(dtype)
    if array.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            made = array.astype(dtype)
        held = (made == array).all() and int(array.max()) <= high
    else:
        made = array.astype(dtype)
        held = low <= int(array.min()) and int(array.max()) <= high
    if not held:
        raise _not_held(array, made, dtype, where)
    return made


@cache
def _range(dtype: np.dtype) -> tuple[int, int]:
    held = np.iinfo(dtype)
    return int(held.min), int(held.max)


def _not_held(array: np.ndarray, made: np.ndarray, dtype: np.dtype, where: str) -> DTypeError:
    wrong, (low, high) = made != array, _range(dtype)
    place = np.unravel_index(int(np.argmax(wrong if wrong.any() else array)), array.shape)
    return DTypeError("a number that the input cannot hold", where=where,
                      expected=f"{dtype}: whole numbers from {low} to {high}",
                      got=f"{array[place]} at position {tuple(map(int, place))}")


def _plain_symbol(dim: Dim) -> str | None:
    if isinstance(dim, SymExpr) and len(dim.terms) == 1:
        (atoms, coefficient), = dim.terms
        if coefficient == 1 and len(atoms) == 1 and isinstance(atoms[0], Symbol):
            return atoms[0].name
    return None


def checked_rows(rows: np.ndarray, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Row numbers as i64. Raises IndexRangeError for one that not all arrays have."""
    rows = np.ascontiguousarray(rows, np.int64)
    fewest = min(len(a) for a in arrays)
    if rows.size and not 0 <= rows.min() <= rows.max() < fewest:
        raise IndexRangeError("a row that no input has", where="run_steps", expected=f"rows from 0 to {fewest - 1}",
                              got=f"{rows.min()} to {rows.max()}")
    return rows
