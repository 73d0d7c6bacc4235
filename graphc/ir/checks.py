"""Checks that the type rules share: element kinds, equal types, axes, dimensions, numbers.

Every error names the op, what was expected and what was got; the builder adds the layer.
What does not live here: the type rules (ops_*.py), dimension arithmetic (dims.py).
"""

from __future__ import annotations

from typing import Any

from graphc.errors import ArgumentError, DTypeError, ShapeError
from graphc.ir.dims import Dim, Shape, SymExpr
from graphc.ir.types import DTYPES, DType, TensorType

ALL = frozenset(DTYPES)
FLOATS = frozenset(d.name for d in DTYPES.values() if d.is_float)
INTEGERS = frozenset(d.name for d in DTYPES.values() if d.is_integer)
NUMBERS = FLOATS | INTEGERS
BOOLS = frozenset({"bool"})
_KIND_TEXT = {ALL: "any element type", FLOATS: "f32 or f64", INTEGERS: "an integer type",
              NUMBERS: "numbers (not bool)", BOOLS: "bool"}


def check_kind(op: str, allowed: frozenset[str], *types: TensorType) -> None:
    """Raise DTypeError unless every element type is in `allowed`."""
    for position, type_ in enumerate(types):
        if type_.dtype.name not in allowed:
            raise DTypeError(f"{op}: operand {position} has an element type it cannot work on",
                             expected=_KIND_TEXT[allowed], got=type_,
                             fix="Cast it first." if allowed != BOOLS else "Compare it with something first.")


def check_same_dtype(op: str, *types: TensorType) -> None:
    """Raise DTypeError unless all element types are equal."""
    for other in types[1:]:
        if other.dtype != types[0].dtype:
            raise DTypeError(f"{op}: operands of different element types", expected=f"{types[0].dtype} everywhere",
                             got=" and ".join(map(str, types)), fix="Cast one of them.")


def check_count(op: str, count: int, types: tuple[TensorType, ...]) -> None:
    """Raise ShapeError unless there are `count` operands."""
    if len(types) != count:
        raise ShapeError(f"{op}: wrong number of operands", expected=count, got=len(types))


def check_equal(op: str, *types: TensorType) -> None:
    """Raise DTypeError or ShapeError unless all types are equal."""
    check_same_dtype(op, *types)
    first = types[0]
    for other in types[1:]:
        if other.shape != first.shape:
            raise ShapeError(f"{op}: operands of different shapes", expected=f"{first} twice",
                             got=f"{first} and {other}", fix="Broadcast the smaller one first.")


def check_axis(op: str, type_: TensorType, axis: Any) -> int:
    """`axis` as it is. Raises ShapeError unless it is an int that counts an axis from the front."""
    if not _is_int(axis) or not 0 <= axis < type_.rank:
        raise ShapeError(f"{op}: no such axis of {type_}", expected=f"0 <= axis < {type_.rank}", got=repr(axis))
    return axis


def check_axes(op: str, type_: TensorType, axes: Any) -> tuple[int, ...]:
    """`axes` as they are. Raises ShapeError unless they are a tuple of axes in increasing order."""
    if not isinstance(axes, tuple) or not all(map(_is_int, axes)) or list(axes) != sorted(set(axes)):
        raise ShapeError(f"{op}: axes are a tuple of ints in increasing order", got=repr(axes))
    for axis in axes:
        check_axis(op, type_, axis)
    return axes


def check_not_empty(op: str, type_: TensorType, axes: tuple[int, ...]) -> None:
    """Raise ShapeError where one of `axes` is known to hold nothing."""
    for axis in axes:
        if type_.shape[axis] == 0:
            raise ShapeError(f"{op}: nothing along axis {axis} to choose from", expected="a size of at least 1",
                             got=type_)


def check_shape(op: str, shape: Any, name: str = "shape") -> Shape:
    """`shape` as it is. Raises ShapeError unless it is a tuple of dimensions, none known to be negative."""
    if not isinstance(shape, tuple):
        raise ShapeError(f"{op}: {name} is a tuple of dimensions", got=repr(shape))
    for dim in shape:
        check_dim(op, dim, name)
    return shape


def check_dim(op: str, dim: Any, name: str) -> Dim:
    """`dim` as it is. Raises ShapeError unless it is an int >= 0 or a symbolic dimension."""
    if not isinstance(dim, SymExpr) and not (_is_int(dim) and dim >= 0):
        raise ShapeError(f"{op}: {name} holds something that is no dimension",
                         expected="ints >= 0 or symbolic dimensions", got=repr(dim))
    return dim


def check_dtype(op: str, dtype: Any, allowed: frozenset[str] = ALL) -> DType:
    """`dtype` as it is. Raises DTypeError unless it is a DType among `allowed`."""
    if not isinstance(dtype, DType) or dtype.name not in allowed:
        raise DTypeError(f"{op}: not a fitting dtype attribute", expected=_KIND_TEXT[allowed], got=repr(dtype))
    return dtype


def check_number(op: str, value: Any, dtype: DType) -> None:
    """Raise DTypeError or ArgumentError unless `dtype` can hold the Python number `value`."""
    if not isinstance(value, (bool, int, float)):
        raise DTypeError(f"{op}: value is no Python number", got=repr(value), fix="Use float(...) or a constant.")
    if dtype.is_float:
        return
    bits = 8 * dtype.itemsize
    low, high = {"bool": (0, 1), "int": (-2 ** (bits - 1), 2 ** (bits - 1) - 1), "uint": (0, 2 ** bits - 1)}[dtype.kind]
    if not low <= value <= high or value != int(value):
        raise ArgumentError(f"{op}: {dtype} cannot hold the value", expected=f"a whole number in [{low}, {high}]",
                            got=repr(value))


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
