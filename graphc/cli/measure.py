"""How far a target is from the reference, value by value: the numbers behind `graphc check`.

For every op two programs run on the same inputs: the target, compiled so that every value is an output, and the
reference in float64. An op's own error is what it adds itself: the reference computes it in float64 from the very
operands that the target had. Its accumulated error is the distance to a run that is float64 from the inputs on. Ops in
the body of a loop are measured over all steps.

What does not live here: making inputs (feeds.py), distances of arrays (distances.py), loops (sites.py), printing
(check.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphc.cli.distances import largest, relative_error, ulp_error
from graphc.cli.feeds import shape_of
from graphc.cli.sites import Site, opened, sites_of
from graphc.compiler import compile_graph
from graphc.ir.builder import make_op
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

    sites: every op, with the arrays of the target, compiled so that every value is an output, and of a run that is
    float64 from the inputs on. outputs: of the program as it is compiled for use; unfused, exact: the same of the other
    two. sizes: what the feed says of the symbols.
    """

    graph: Graph
    sizes: Mapping[str, int]
    sites: Sequence[Site]
    outputs: Sequence[np.ndarray]
    exact: Sequence[np.ndarray]
    unfused: Sequence[np.ndarray]


def run(graph: Graph, feed: Sequence[np.ndarray], target: str, choices: Choices = DEFAULT) -> Runs:
    """Both programs on the target, and the reference in float64."""
    graph = graph.replace(donations=())
    wide = opened(graph)
    every = tuple(r for op in wide.graph.ops for r in op.results)
    found = dict(zip(graph.inputs, feed, strict=True))
    everything = compile_graph(wide.graph.replace(outputs=every), target=target, choices=choices)
    found.update(zip(every, everything(*feed), strict=True))
    exact = evaluate(wide.graph, feed, float64=True, every=True)
    outputs = compile_graph(graph, target=target, choices=choices)(*feed)
    return Runs(graph, bind_inputs(graph.inputs, [a.shape for a in feed]), list(sites_of(wide, found, exact)), outputs,
                [exact[v] for v in graph.outputs], [found[v] for v in graph.outputs])


def measure(graph: Graph, feed: Sequence[np.ndarray], target: str, tolerance: float | None = None,
            choices: Choices = DEFAULT) -> Report:
    """All errors of `graph` on `target` for these inputs; `tolerance` replaces the derived ones."""
    return report_of(run(graph, feed, target, choices), tolerance)


def report_of(runs: Runs, tolerance: float | None = None) -> Report:
    """The errors of every result of every op, in the order in which they run, and of the outputs."""
    names, producers = names_of(runs.graph), runs.graph.producers()
    values = [measured for site in runs.sites for measured in _measure_op(site, runs.sizes, tolerance)]
    outputs = []
    for value, result, exact, unfused in zip(runs.graph.outputs, runs.outputs, runs.exact, runs.unfused, strict=True):
        error = relative_error(result, exact, 0.0)
        limit, rule = (tolerance, GIVEN) if tolerance is not None else \
            _output_tolerance(relative_error(unfused, exact, 0.0))
        origin = producers[value].origin if value in producers else ""
        outputs.append(Measured(names[value], "output", origin, str(value.type), error, ulp_error(result, exact),
                                error, limit, rule))
    return Report(values, outputs)


def _measure_op(site: Site, sizes: Mapping[str, int], tolerance: float | None) -> list[Measured]:
    op = site.op
    own = alone(op, site.operands, sizes, site.steps)
    limit, rule = (tolerance_of(op, sizes), rule_of(op, sizes)) if tolerance is None else (tolerance, GIVEN)
    return [Measured(name, op.name, op.origin, str(v.type), relative_error(found, one, scale), ulp_error(found, one),
                     relative_error(found, exact, 0.0), limit, rule)
            for name, v, found, exact, one, scale in zip(site.names, op.results, site.found, site.exact, own,
                                                         scales_of(site, sizes), strict=True)]


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


def scales_of(site: Site, sizes: Mapping[str, int]) -> list[float]:
    """What an error of each result is small in comparison with: for sums the largest sum of magnitudes, because
    terms may cancel; 0 where the largest magnitude of the result itself is meant."""
    op = site.op
    if op.spec.kind is not Kind.CONTRACT and op.name not in SUMS:
        return [0.0] * len(op.results)
    magnitudes = [np.abs(x) if x.dtype.kind == "f" else x for x in site.operands]
    return [largest(r) for r in alone(op, magnitudes, sizes, site.steps)]


def alone(op: Op, operands: Sequence[np.ndarray], sizes: Mapping[str, int],
          steps: tuple[int, ...] = ()) -> list[np.ndarray]:
    """The results of this op by itself in float64; of an op in loops the stacks of the results of all steps."""
    if not steps:
        return _alone(op, operands, sizes)
    if op.spec.kind is Kind.ELEMENTWISE:
        stacked = make_op(op.spec, tuple(Value(TensorType(v.type.dtype, x.shape)) for v, x in
                                         zip(op.operands, operands, strict=True)), op.kwargs)
        return _alone(stacked, operands, {})
    results = [_alone(op, [x[at] for x in operands], sizes) for at in np.ndindex(*steps)]
    return [np.stack(parts).reshape(*steps, *parts[0].shape) for parts in zip(*results, strict=True)]


def _alone(op: Op, operands: Sequence[np.ndarray], sizes: Mapping[str, int]) -> list[np.ndarray]:
    """The results of this op by itself. Extra inputs tell the sizes that no operand tells."""
    distinct = dict(zip(op.operands, operands, strict=True))
    told = {n for v in distinct for d in v.type.shape if isinstance(d, SymExpr) for n in symbols(d) if str(d) == n}
    for name in sorted(sizes.keys() - told):
        distinct[Value(TensorType(BOOL, (symbol(name),)), name)] = np.broadcast_to(np.bool_(False), (sizes[name],))
    graph = Graph(op.name, tuple(distinct), (op,), op.results)
    return evaluate(graph, list(distinct.values()), float64=True)
