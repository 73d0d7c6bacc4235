"""Inputs for a graph that nobody gave data for: random, reproducible, and in range where they are indices.

What does not live here: what is done with them (measure.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.dims import Dim, bind, bind_shape, symbols
from graphc.ir.graph import Graph, Op, Value

DEFAULT_SIZES = {"B": 4}  # other symbols get the numbers from 5 on, all different
_PASSES_ON = frozenset({"cast", "reshape", "transpose", "broadcast", "slice", "reverse", "stop_gradient",
                        "select"})
MAX_ELEMENTS = 2**28


def sizes_for(graph: Graph, batch: int | None, given: Mapping[int, np.ndarray] | None = None) -> dict[str, int]:
    """A size for every symbol of the inputs: what the given arrays say, else `batch` or a number of our own."""
    names = sorted(symbols(*(d for v in graph.inputs for d in v.type.shape)))
    sizes = {name: DEFAULT_SIZES.get(name, 5 + position) for position, name in enumerate(names)}
    told = {str(dim): size for position, array in (given or {}).items()
            for dim, size in zip(graph.inputs[position].type.shape, array.shape, strict=True) if str(dim) in sizes}
    return {**sizes, **({"B": batch} if batch is not None and "B" in sizes else {}), **told}


def feed_for(graph: Graph, states: Mapping[int, Any], seed: int, batch: int | None,
             given: Mapping[int, np.ndarray] | None = None) -> list[np.ndarray]:
    """One array per input: the one that is given, a state's own value, or random numbers.

    Floats are normally distributed, integers and truth values 0 or 1, whatever is used as an index lies in range.
    Raises ShapeError for an input too large to fill.
    """
    rng = np.random.default_rng(seed)
    sizes = sizes_for(graph, batch, given)
    limits = {v: bind(limit, sizes) for v, limit in index_limits(graph).items()}
    known = {**{position: np.array(state.array) for position, state in states.items()}, **(given or {})}
    return [known[position] if position in known else _random(rng, value, sizes, limits)
            for position, value in enumerate(graph.inputs)]


def shape_of(value: Value, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The value's shape for these sizes. Raises ShapeError where it has none."""
    shape = tuple(d for d in bind_shape(value.type.shape, sizes) if isinstance(d, int) and d >= 0)
    if len(shape) != value.type.rank:
        raise ShapeError("these sizes make no shape", where=value.hint, expected=value.type,
                         got=", ".join(f"{name} = {size}" for name, size in sizes.items()))
    return shape


def _random(rng: np.random.Generator, value: Value, sizes: Mapping[str, int],
            limits: Mapping[Value, Dim]) -> np.ndarray:
    shape = shape_of(value, sizes)
    if prod(shape) > MAX_ELEMENTS:
        raise ShapeError("an input too large to fill", where=value.hint, expected=f"at most {MAX_ELEMENTS} elements",
                         got=f"{value.type}, here {shape}")
    dtype = value.type.dtype.numpy
    limit = limits.get(value, 2)
    if dtype.kind == "f" and value not in limits:
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, max(1, limit) if isinstance(limit, int) else 2, shape).astype(dtype)


def index_limits(graph: Graph) -> dict[Value, Dim]:
    """For every value that ends up as indices: the size of the axis they point into."""
    limits: dict[Value, Dim] = {}
    for op in reversed(graph.ops):
        found = _own_limit(op)
        if found is not None:
            limits.setdefault(*found)
        if op.name in _PASSES_ON and op.results[0] in limits:
            limits.setdefault(op.operands[1 if op.name == "select" else 0], limits[op.results[0]])
    return limits


def _own_limit(op: Op) -> tuple[Value, Dim] | None:
    if op.name == "gather":
        return op.operands[1], op.operands[0].type.shape[op.attr("axis")]
    if op.name == "gather_grad":
        return op.operands[1], op.attr("size")
    if op.name == "one_hot":
        return op.operands[0], op.attr("depth")
    return None
