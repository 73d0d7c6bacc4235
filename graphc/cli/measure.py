"""How far a target is from the reference, value by value: the numbers behind `graphc check`.

For every op two programs run on the same inputs: the target, compiled so that every value is an output, and the
reference in float64. An op's own error is what it adds itself: the reference computes it in float64 from the very
operands that the target had. Its accumulated error is the distance to a run that is float64 from the inputs on.

What does not live here: making inputs (feeds.py), distances of arrays (distances.py), printing (check.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphc.cli.distances import largest, relative_error, ulp_error
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
GIVEN = "given"  # the rule of a tolerance that the caller chose
UNFUSED_FACTOR = 4  # how much further from float64 fusion may take an output, where that is more
SUMS = frozenset({"reduce_sum", "reduce_mean", "reduce_variance", "cumsum", "gather_grad"})


@dataclass(frozen=True)
class Measured:
    """One result of one op. Errors are relative to `scale` (see `scales_of`); `ulp` is element by element; `rule` says
    where the tolerance comes from."""

    value: str
    op: str
    layer: str
    type: str
    relative: float
    ulp: float
    accumulated: float
    tolerance: float
    rule: str

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


@dataclass(frozen=True)
class Runs:
    """The arrays of one feed.

    found: of every value on the target, compiled so that every value is an output. exact: in float64 from the inputs
    on. outputs: of the program as it is compiled for use. sizes: what the feed says of the symbols.
    """

    graph: Graph
    sizes: Mapping[str, int]
    found: Mapping[Value, np.ndarray]
    exact: Mapping[Value, np.ndarray]
    outputs: Sequence[np.ndarray]


def run(graph: Graph, feed: Sequence[np.ndarray], target: str, choices: Choices = DEFAULT) -> Runs:
    """Both programs on the target, and the reference in float64."""
    graph = graph.replace(donations=())
    every = tuple(r for op in graph.ops for r in op.results)
    found = dict(zip(graph.inputs, feed, strict=True))
    everything = compile_graph(graph.replace(outputs=every), target=target, choices=choices)
    found.update(zip(every, everything(*feed), strict=True))
    exact = evaluate(graph, feed, float64=True, every=True)
    outputs = compile_graph(graph, target=target, choices=choices)(*feed)
    return Runs(graph, bind_inputs(graph.inputs, [a.shape for a in feed]), found, exact, outputs)


def measure(graph: Graph, feed: Sequence[np.ndarray], target: str, tolerance: float | None = None,
            choices: Choices = DEFAULT) -> Report:
    """All errors of `graph` on `target` for these inputs; `tolerance` replaces the derived ones."""
    return report_of(run(graph, feed, target, choices), tolerance)


def report_of(runs: Runs, tolerance: float | None = None) -> Report:
    """The errors of every result of every op, in order, and of the outputs."""
    accumulated = {v: relative_error(a, runs.exact[v], 0.0) for v, a in runs.found.items()}
    names, producers = names_of(runs.graph), runs.graph.producers()
    values = [measured for op in runs.graph.ops
              for measured in _measure_op(op, runs, accumulated, names, tolerance)]
    outputs = []
    for value, result in zip(runs.graph.outputs, runs.outputs, strict=True):
        error = relative_error(result, runs.exact[value], 0.0)
        limit, rule = _output_tolerance(accumulated[value]) if tolerance is None else (tolerance, GIVEN)
        origin = producers[value].origin if value in producers else ""
        outputs.append(Measured(names[value], "output", origin, str(value.type), error,
                                ulp_error(result, runs.exact[value]), error, limit, rule))
    return Report(values, outputs)


def _measure_op(op: Op, runs: Runs, accumulated: Mapping[Value, float], names: Mapping[Value, str],
                tolerance: float | None) -> list[Measured]:
    operands = [runs.found[v] for v in op.operands]
    own, scales = alone(op, operands, runs.sizes), scales_of(op, operands, runs.sizes)
    limit, rule = (tolerance_of(op, runs.sizes), rule_of(op, runs.sizes)) if tolerance is None else (tolerance, GIVEN)
    return [Measured(names[v], op.name, op.origin, str(v.type), relative_error(runs.found[v], exact, scale),
                     ulp_error(runs.found[v], exact), accumulated[v], limit, rule)
            for v, exact, scale in zip(op.results, own, scales, strict=True)]


def tolerance_of(op: Op, sizes: Mapping[str, int]) -> float:
    """1e-5, times the square root of the number of terms where an op sums: rounding errors of K terms add up
    like a random walk. For a convolution CONVOLUTION_TOLERANCE, whatever its algorithm."""
    if op.name == "convolution":
        return CONVOLUTION_TOLERANCE
    return BASE_TOLERANCE * math.sqrt(max(1, terms_of(op, sizes)))


def rule_of(op: Op, sizes: Mapping[str, int]) -> str:
    """The formula behind `tolerance_of`, with its numbers."""
    if op.name == "convolution":
        return f"{CONVOLUTION_TOLERANCE:g}, of any algorithm of convolutions"
    terms = terms_of(op, sizes)
    return f"{BASE_TOLERANCE:g} * sqrt({terms} terms)" if terms > 1 else f"{BASE_TOLERANCE:g}"


def _output_tolerance(accumulated: float) -> tuple[float, str]:
    fused = UNFUSED_FACTOR * accumulated
    if fused > OUTPUT_TOLERANCE:
        return fused, f"{UNFUSED_FACTOR} * accumulated error of the value"
    return OUTPUT_TOLERANCE, f"{OUTPUT_TOLERANCE:g}"


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
    return [largest(r) for r in alone(op, magnitudes, sizes)]


def alone(op: Op, operands: Sequence[np.ndarray], sizes: Mapping[str, int]) -> list[np.ndarray]:
    """The results of this op by itself in float64. Extra inputs tell the sizes that no operand tells."""
    distinct = dict(zip(op.operands, operands, strict=True))
    told = {n for v in distinct for d in v.type.shape if isinstance(d, SymExpr) for n in symbols(d) if str(d) == n}
    for name in sorted(sizes.keys() - told):
        distinct[Value(TensorType(BOOL, (symbol(name),)), name)] = np.broadcast_to(np.bool_(False), (sizes[name],))
    graph = Graph(op.name, tuple(distinct), (op,), op.results)
    return evaluate(graph, list(distinct.values()), float64=True)
