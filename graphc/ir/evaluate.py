"""The evaluator: what a graph means, computed op by op in NumPy, in float32 or float64."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import GraphcError, ShapeError
from graphc.ir.dims import SymExpr, bind, symbols
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.types import F32, F64, DType


def evaluate(graph: Graph, arrays: Sequence[Any], *, float64: bool = False, every: bool = False) -> Any:
    """The outputs of `graph` on `arrays`, one per input; with every=True a dict of all values.

    float64=True computes every f32 value in f64. Raises ShapeError where shapes do not fit the inputs.
    """
    known: dict[Value, np.ndarray] = {}
    for value, array in zip(graph.inputs, arrays, strict=True):
        dtype = F64 if float64 and value.type.dtype is F32 else value.type.dtype
        known[value] = np.asarray(array).astype(dtype.numpy, copy=False)
    sizes = _sizes(graph, known)
    for op in graph.ops:
        results = _run(op, [known[v] for v in op.operands], sizes, float64)
        known.update(zip(op.results, results, strict=True))
    return known if every else [known[v] for v in graph.outputs]


def apply_reference(op: Op, arrays: Sequence[np.ndarray]) -> np.ndarray:
    """The only result of an op without symbolic attributes."""
    (result,) = _run(op, arrays, {}, False)
    return result


def _run(op: Op, arrays: Sequence[np.ndarray], sizes: dict[str, int], float64: bool) -> tuple[np.ndarray, ...]:
    attrs = {name: _bound(value, sizes, float64) for name, value in op.attrs}
    try:
        with np.errstate(all="ignore"):
            made = op.spec.reference(*arrays, **attrs)
    except GraphcError as error:
        error.where = error.where or op.origin
        raise
    results = made if isinstance(made, tuple) else (made,)
    return tuple(np.asarray(r) for r in results)


def _bound(value: Any, sizes: dict[str, int], float64: bool) -> Any:
    if isinstance(value, SymExpr):
        return bind(value, sizes)
    if isinstance(value, tuple):
        return tuple(_bound(v, sizes, float64) for v in value)
    if isinstance(value, DType) and float64 and value is F32:
        return F64
    return value


def _sizes(graph: Graph, known: dict[Value, np.ndarray]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for value in graph.inputs:
        shape = known[value].shape
        if len(shape) != value.type.rank:
            raise ShapeError("wrong rank", where=value.hint, expected=value.type, got=shape)
        for dim, size in zip(value.type.shape, shape, strict=True):
            names = symbols(dim)
            if len(names) == 1 and str(dim) in names:
                sizes.setdefault(str(dim), size)
    for value in graph.inputs:
        for dim, size in zip(value.type.shape, known[value].shape, strict=True):
            if bind(dim, sizes) != size:
                raise ShapeError(f"{dim} is {bind(dim, sizes)} elsewhere", where=value.hint, expected=value.type,
                                 got=known[value].shape)
    return sizes
