"""What float32 may do to every value of a graph: random rounding.

The graph runs in float64, but every op reads operands that are changed by a relative 2^-24 up or down, element by
element, as rounding to float32 might have changed them (Monte Carlo arithmetic: D. S. Parker, 1997). How far values lie
from those of a plain run in float64 shows what one float32 program may differ from another by, where terms cancel too.

What does not live here: what programs did compute (measure.py, compare.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphc.cli.measure import alone
from graphc.ir.evaluate import bind_inputs, evaluate
from graphc.ir.graph import Graph, Value

DRAWS = 3
UNIT = 2.0**-24  # the most by which rounding to float32 changes a number, relative


def room_for_rounding(graph: Graph, feed: Sequence[np.ndarray]) -> dict[Value, float]:
    """For every value the largest difference that rounding made in any draw; infinite where one became NaN, an infinity
    or, of integers and truth values, another."""
    exact = evaluate(graph, feed, float64=True, every=True)
    room = dict.fromkeys(exact, 0.0)
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        for value, array in _rounded(graph, feed, rng).items():
            room[value] = max(room[value], _distance(array, exact[value]))
    return room


def _rounded(graph: Graph, feed: Sequence[np.ndarray], rng: np.random.Generator) -> Mapping[Value, np.ndarray]:
    found = {v: a.astype(np.float64) if a.dtype == np.float32 else a for v, a in zip(graph.inputs, feed, strict=True)}
    sizes = bind_inputs(graph.inputs, [a.shape for a in feed])
    for op in graph.ops:
        near = {v: _changed(found[v], rng) for v in op.operands}
        found.update(zip(op.results, alone(op, [near[v] for v in op.operands], sizes), strict=True))
    return found


def _changed(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Whole numbers that float32 holds stay as they are: they may be indices."""
    if array.dtype.kind != "f":
        return array
    near = array * (1 + UNIT * rng.choice((-1.0, 1.0), array.shape))
    return np.where((np.rint(array) == array) & (np.abs(array) <= 1 / UNIT), array, near)


def _distance(found: np.ndarray, exact: np.ndarray) -> float:
    if found.dtype.kind != "f":
        return 0.0 if np.array_equal(found, exact) else np.inf
    same = (found == exact) | (np.isnan(found) & np.isnan(exact))
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(found - exact))
    return float(np.where(np.isnan(difference), np.inf, difference).max(initial=0))
