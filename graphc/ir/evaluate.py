"""The NumPy evaluator: what a graph means.

Every op runs as its `reference`. With float64=True all f32 become f64: the yardstick for the targets' rounding
errors and for gradients.

What does not live here: references of ops (ops_*.py), the target around this (runtime/reference.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np

from graphc.errors import GraphcError, ShapeError
from graphc.ir.dims import Dim, Symbol, SymExpr, bind, bind_shape, symbols
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Array
from graphc.ir.types import F32, F64, DType


@overload
def evaluate(graph: Graph, arrays: Sequence[Any], *, float64: bool = False,
             every: Literal[False] = False,
             outer: Mapping[str, int] | None = None) -> list[np.ndarray]: ...


@overload
def evaluate(graph: Graph, arrays: Sequence[Any], *, float64: bool = False,
             every: Literal[True],
             outer: Mapping[str, int] | None = None) -> dict[Value, np.ndarray]: ...


def evaluate(graph: Graph, arrays: Sequence[Any], *, float64: bool = False, every: bool = False,
             outer: Mapping[str, int] | None = None) -> list[np.ndarray] | dict[Value, np.ndarray]:
    """The outputs of `graph` as new arrays; every=True gives the array of every value instead.

    outer: sizes of symbols that the inputs do not tell, for the body of a loop.

    Inputs are cast to their declared dtypes. Raises ShapeError naming the input that does not fit,
    IndexRangeError naming the op whose index is out of range.
    """
    if len(arrays) != len(graph.inputs):
        raise ShapeError(f"{graph.name}: wrong number of inputs", expected=len(graph.inputs), got=len(arrays))
    known = {v: np.require(a, _numpy(v.type.dtype, float64), ("C", "ALIGNED"))  # NumPy's bits depend on the layout
             for v, a in zip(graph.inputs, arrays, strict=True)}
    sizes = bind_inputs(graph.inputs, [known[v].shape for v in graph.inputs], outer)
    for op in graph.ops:
        results = _run(op, [known[v] for v in op.operands], sizes, float64)
        known.update(zip(op.results, results, strict=True))
    return known if every else [np.array(known[v], order="C") for v in graph.outputs]


def apply_reference(op: Op, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The only result of `op`, whose sizes are all known, as a C-contiguous array."""
    (result,) = _run(op, arrays, {}, False)
    return np.asarray(result, order="C")


@dataclass(frozen=True)
class Body:
    """The graph of a loop as a function of arrays, within the sizes of the graph around it."""

    graph: Graph
    sizes: Mapping[str, int]
    float64: bool

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        return evaluate(self.graph, arrays, float64=self.float64, outer=self.sizes)

    def nothing(self, sizes: Mapping[str, int]) -> list[np.ndarray]:
        """Zeros of the outputs' types, for a loop of no steps; sizes: more symbols."""
        known = {**self.sizes, **sizes}
        return [np.zeros(tuple(_bound(d, known) for d in v.type.shape), _numpy(v.type.dtype, self.float64))
                for v in self.graph.outputs]


def bind_inputs(inputs: Sequence[Value], shapes: Sequence[tuple[int, ...]],
                outer: Mapping[str, int] | None = None) -> dict[str, int]:
    """The size of every symbol, from the shapes of the inputs and those of the graph around, if any.

    Raises ShapeError naming the input whose rank or size does not fit, or whose symbols no input tells.
    """
    names = [v.hint or f"input {i}" for i, v in enumerate(inputs)]
    sizes: dict[str, int] = dict(outer or {})
    for value, shape, name in zip(inputs, shapes, names, strict=True):
        if len(shape) != value.type.rank:
            raise ShapeError("an array of the wrong rank", where=name, expected=value.type, got=f"shape {shape}")
        for dim, size in zip(value.type.shape, shape, strict=True):
            if (symbol := _plain_symbol(dim)) is not None:
                sizes.setdefault(symbol, size)
    for value, shape, name in zip(inputs, shapes, names, strict=True):
        unknown = value.type.symbols - sizes.keys()
        if unknown:
            raise ShapeError(f"the size of {', '.join(sorted(unknown))} cannot be told from the inputs", where=name,
                             expected=f"an input with {min(unknown)} as an axis", got=value.type)
        wanted = bind_shape(value.type.shape, sizes)
        if wanted != shape:
            raise ShapeError("an array of the wrong shape", where=name, expected=f"{value.type}, here {wanted}",
                             got=f"shape {shape}")
    return sizes


def _plain_symbol(dim: Dim) -> str | None:
    """The name, where the dimension is one symbol and nothing else."""
    if isinstance(dim, SymExpr) and len(dim.terms) == 1:
        ((atoms, factor),) = dim.terms
        if factor == 1 and len(atoms) == 1 and isinstance(atoms[0], Symbol):
            return atoms[0].name
    return None


def _run(op: Op, arrays: Sequence[np.ndarray], sizes: Mapping[str, int], float64: bool) -> list[np.ndarray]:
    attrs = {name: _attr(value, sizes, float64) for name, value in op.attrs}
    try:
        with np.errstate(all="ignore"):
            results = op.spec.reference(*arrays, **attrs)
    except GraphcError as error:
        error.where = error.where or op.origin
        raise
    found = [np.asarray(r) for r in (results if isinstance(results, tuple) else (results,))]
    for value, array in zip(op.results, found, strict=True):
        _check_result(op, value, array, sizes, float64)
    return found


def _check_result(op: Op, value: Value, array: np.ndarray, sizes: Mapping[str, int], float64: bool) -> None:
    """Sizes that only the call tells may not fit, such as a slice past the end of a symbolic axis."""
    wanted = bind_shape(value.type.shape, sizes)
    if array.shape != wanted or array.dtype != _numpy(value.type.dtype, float64):
        raise ShapeError(f"{op.name}: the sizes of this call do not fit", where=op.origin,
                         expected=f"{value.type}, here {wanted}", got=f"{array.dtype} of shape {array.shape}")


def _attr(value: Any, sizes: Mapping[str, int], float64: bool) -> Any:
    """An attribute as references take it: dimensions bound, f32 replaced where float64 is asked for."""
    if isinstance(value, SymExpr):
        return _bound(value, sizes)
    if isinstance(value, Graph):
        return Body(value, sizes, float64)
    if isinstance(value, tuple):
        return tuple(_attr(v, sizes, float64) for v in value)
    if float64 and value == F32:
        return F64
    if float64 and isinstance(value, Array) and value.data.dtype == F32.numpy:
        return Array(value.data.astype(np.float64))
    return value


def _bound(dim: Dim, sizes: Mapping[str, int]) -> int:
    size = bind(dim, sizes)
    if not isinstance(size, int):
        raise ShapeError(f"the size of {', '.join(sorted(symbols(size)))} cannot be told from the inputs", got=dim)
    return size


def _numpy(dtype: DType, float64: bool) -> np.dtype:
    return F64.numpy if float64 and dtype == F32 else dtype.numpy
