"""How far a target is from the reference, value by value: the numbers behind `graphc check`.

For every op two programs run on the same inputs: the target, compiled so that every value is an output, and the
reference in float64. An op's own error is what it adds itself: the reference computes it in float64 from the very
operands that the target had. Its accumulated error is the distance to a run that is float64 from the inputs on.

What does not live here: making inputs (feeds.py), printing (check.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphc.cli.feeds import shape_of
from graphc.compiler import compile_graph
from graphc.ir.dims import SymExpr, bind, symbol, symbols
from graphc.ir.evaluate import bind_inputs, evaluate
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.printer import names_of
from graphc.ir.spec import Kind
from graphc.ir.types import BOOL, TensorType
from graphc.passes.choices import DEFAULT, Choices

BASE_TOLERANCE = 1e-5
CONVOLUTION_TOLERANCE = 2e-5  # of a convolution's largest value: what Winograd's algorithm has to keep to
OUTPUT_TOLERANCE = 1e-4
UNFUSED_FACTOR = 4  # how much further from float64 fusion may take an output, where that is more
SUMS = frozenset({"reduce_sum", "reduce_mean", "reduce_variance", "cumsum", "gather_grad"})


@dataclass(frozen=True)
class Measured:
    """One result of one op. Errors are relative to `scale` (see `scales_of`); `ulp` is element by element."""

    value: str
    op: str
    layer: str
    type: str
    relative: float
    ulp: float
    accumulated: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.relative <= self.tolerance

    def as_json(self) -> dict[str, Any]:
        numbers = {k: v if not isinstance(v, float) or math.isfinite(v) else str(v) for k, v in asdict(self).items()}
        return {**numbers, "passed": self.passed}


@dataclass(frozen=True)
class Report:
    """values: one entry for every result of every op. outputs: those of the program as it is compiled for use."""

    values: list[Measured]
    outputs: list[Measured]

    @property
    def failed(self) -> list[Measured]:
        return [m for m in (*self.values, *self.outputs) if not m.passed]


def measure(graph: Graph, feed: Sequence[np.ndarray], target: str, tolerance: float | None = None,
            choices: Choices = DEFAULT) -> Report:
    """All errors of `graph` on `target` for these inputs; `tolerance` replaces the derived ones."""
    graph = graph.replace(donations=())
    every = tuple(r for op in graph.ops for r in op.results)
    found = dict(zip(graph.inputs, feed, strict=True))
    everything = compile_graph(graph.replace(outputs=every), target=target, choices=choices)
    found.update(zip(every, everything(*feed), strict=True))
    exact = evaluate(graph, feed, float64=True, every=True)
    accumulated = {v: relative_error(a, exact[v], 0.0) for v, a in found.items()}
    names, sizes = names_of(graph), bind_inputs(graph.inputs, [a.shape for a in feed])
    values = [measured for op in graph.ops
              for measured in _measure_op(op, found, accumulated, names, sizes, tolerance)]
    outputs = []
    producers = graph.producers()
    for value, result in zip(graph.outputs, compile_graph(graph, target=target, choices=choices)(*feed), strict=True):
        error = relative_error(result, exact[value], 0.0)
        limit = max(OUTPUT_TOLERANCE, UNFUSED_FACTOR * accumulated[value]) if tolerance is None else tolerance
        origin = producers[value].origin if value in producers else ""
        outputs.append(Measured(names[value], "output", origin, str(value.type), error,
                                ulp_error(result, exact[value]), error, limit))
    return Report(values, outputs)


def _measure_op(op: Op, found: Mapping[Value, np.ndarray], accumulated: Mapping[Value, float],
                names: Mapping[Value, str], sizes: Mapping[str, int], tolerance: float | None) -> list[Measured]:
    operands = [found[v] for v in op.operands]
    own, scales = _alone(op, operands, sizes), scales_of(op, operands, sizes)
    limit = tolerance_of(op, sizes) if tolerance is None else tolerance
    return [Measured(names[v], op.name, op.origin, str(v.type), relative_error(found[v], exact, scale),
                     ulp_error(found[v], exact), accumulated[v], limit)
            for v, exact, scale in zip(op.results, own, scales, strict=True)]


def tolerance_of(op: Op, sizes: Mapping[str, int]) -> float:
    """1e-5, times the square root of the number of terms where an op sums: rounding errors of K terms add up
    like a random walk. For a convolution CONVOLUTION_TOLERANCE, whatever its algorithm."""
    if op.name == "convolution":
        return CONVOLUTION_TOLERANCE
    return BASE_TOLERANCE * math.sqrt(max(1, terms_of(op, sizes)))


def terms_of(op: Op, sizes: Mapping[str, int]) -> int:
    """How many terms one element of the result is the sum of; of a loop, those of all steps."""
    if op.name == "scan":
        body: Graph = op.attr("body")
        inner = {**sizes, **({op.attr("rows")[0]: 1} if op.kwargs.get("rows") else {})}
        steps = int(bind(op.attr("length"), sizes))  # type: ignore[arg-type]
        return max(1, steps) * max((terms_of(one, inner) for one in body.ops), default=1)
    if op.spec.kind is Kind.CONTRACT:
        return shape_of(op.operands[0], sizes)[-1]
    if op.spec.kind in (Kind.ELEMENTWISE, Kind.SOURCE, Kind.INDEX, Kind.GATHER):
        return 1
    before = math.prod(shape_of(op.operands[0], sizes)) if op.operands else 1
    after = math.prod(shape_of(op.results[0], sizes))
    return max(1, before // after if after and after < before else before)


def scales_of(op: Op, operands: Sequence[np.ndarray], sizes: Mapping[str, int]) -> list[float]:
    """What an error of each result is small in comparison with: for sums the largest sum of magnitudes, because
    terms may cancel; 0 where the largest magnitude of the result itself is meant."""
    if op.spec.kind is not Kind.CONTRACT and op.name not in SUMS:
        return [0.0] * len(op.results)
    magnitudes = [np.abs(x) if x.dtype.kind == "f" else x for x in operands]
    return [_largest(r) for r in _alone(op, magnitudes, sizes)]


def relative_error(found: np.ndarray, exact: np.ndarray, scale: float) -> float:
    """The largest difference, relative to `scale` or to the largest magnitude of `exact`, whichever is larger.

    Infinite where NaN or infinities do not agree, or where integers or truth values differ.
    """
    if found.dtype.kind != "f":
        return 0.0 if np.array_equal(found, exact) else math.inf
    difference = _difference(found, exact)
    if not difference.size or not difference.max():
        return 0.0
    largest = max(scale, _largest(exact))
    return float(difference.max() / largest) if largest else math.inf


def ulp_error(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest difference in units of the last place of the exact result, element by element."""
    if found.dtype.kind != "f":
        return relative_error(found, exact, 0.0)
    difference = _difference(found, exact)
    if not difference.size:
        return 0.0
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(exact).astype(found.dtype)).astype(np.float64)
        return float(np.where(difference > 0, difference / np.where(np.isfinite(unit), unit, 1), 0).max())


def _difference(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """|found - exact|, 0 where both are NaN or the same infinity, infinite where only one is."""
    with np.errstate(all="ignore"):
        rounded = np.asarray(exact).astype(found.dtype)
        same = (found == rounded) & ~np.isfinite(found) | np.isnan(found) & np.isnan(rounded)
        special = ~(np.isfinite(found) & np.isfinite(rounded))
        difference = np.abs(found.astype(np.float64) - exact)
    return np.where(same, 0.0, np.where(special, np.inf, difference))


def _largest(array: np.ndarray) -> float:
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    return float(np.abs(finite).max()) if finite.size else 0.0


def _alone(op: Op, operands: Sequence[np.ndarray], sizes: Mapping[str, int]) -> list[np.ndarray]:
    """The results of this op alone in float64. Extra inputs tell the sizes that no operand tells."""
    distinct = dict(zip(op.operands, operands, strict=True))
    told = {n for v in distinct for d in v.type.shape if isinstance(d, SymExpr) for n in symbols(d) if str(d) == n}
    for name in sorted(sizes.keys() - told):
        distinct[Value(TensorType(BOOL, (symbol(name),)), name)] = np.broadcast_to(np.bool_(False), (sizes[name],))
    graph = Graph(op.name, tuple(distinct), (op,), op.results)
    return evaluate(graph, list(distinct.values()), float64=True)
