"""How much an op magnifies relative errors of its operands: the condition number of every element of its result.

For y = f(x1, x2, ...) it is c = sum_i |x_i df/dx_i| / |y|: relative errors of size e in the operands make one of
up to c e in y (Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 1.6). It is computed in
float64 at the operands of a run in float64, by the method that fits the op:

    moves              the result is one of the operands' elements: c = 1
    derivative         elementwise: the op's own gradient rule gives df/dx
    sum of magnitudes  sums and products of sums: f(|x1|, |x2|, ...) / |y|, once for each factor. c is large where terms
                       cancel: log2(c) of the result's bits are lost
    perturbation       any other op: x is replaced by x (1 + d s), d = 2^-20, with 4 draws of signs s; c is the largest
                       change of y relative to d |y|, an estimate from below

What does not live here: errors that were made (measure.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.cli.distances import largest
from graphc.cli.measure import SUMS, alone
from graphc.cli.sites import Site
from graphc.ir.bind_dims import bind_attr
from graphc.ir.builder import Builder
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Kind
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import TensorType

MOVES, DERIVATIVE, MAGNITUDES, PERTURBATION = "moves", "derivative", "sum of magnitudes", "perturbation"
DRAWS, STEP = 4, 2.0**-20
FACTORS = {"matmul": 2, "split_matmul": 2, "convolution": 2, "convolution_gradient": 2, "depthwise_convolution": 2,
           "overlap_add": 1, "sum_rows": 1, **dict.fromkeys(SUMS - {"reduce_variance"}, 1)}
PICKS = frozenset({"reduce_max", "reduce_min", "max_pool", "scatter_rows", "one_hot"})


@dataclass(frozen=True)
class Condition:
    """max and median over the elements where c is a number (0 / 0 is none); infinite where y is 0 and its terms are
    not. elements: how many those are. terms: the largest c |y|, what y is made of."""

    method: str
    max: float
    median: float
    elements: int
    terms: float

    @property
    def bits(self) -> float:
        """How many bits of the operands' precision are lost in the worst element."""
        return math.log2(max(1.0, self.max))


def conditions_of(site: Site, sizes: Mapping[str, int]) -> list[Condition | None]:
    """One for each result, at the operands of the run in float64; None for what is no float or depends on none."""
    op = site.op
    if op.spec.kind is Kind.SOURCE or not any(v.type.dtype.is_float for v in op.operands):
        return [None] * len(op.results)
    with np.errstate(all="ignore"):
        method, moved = _moved(site, sizes)
        return [_summary(method, m, y) if v.type.dtype.is_float else None
                for v, m, y in zip(op.results, moved, site.exact, strict=True)]


def method_of(op: Op) -> str:
    """One of the four methods."""
    if op.name in FACTORS:
        return MAGNITUDES
    if op.spec.kind in (Kind.INDEX, Kind.GATHER) or op.name in PICKS:
        return MOVES
    return DERIVATIVE if op.spec.kind is Kind.ELEMENTWISE and op.spec.vjp is not None else PERTURBATION


def _moved(site: Site, sizes: Mapping[str, int]) -> tuple[str, Sequence[np.ndarray]]:
    """The method, and for every result how far its elements move, c |y|."""
    op, operands, method = site.op, site.exact_operands, method_of(site.op)
    if method == MOVES:
        return method, [np.abs(y) for y in site.exact]
    if method == DERIVATIVE:
        return method, [_by_derivative(op, operands, sizes)]
    if method == MAGNITUDES:
        magnitudes = [np.abs(x) if x.dtype.kind == "f" else x for x in operands]
        return method, [FACTORS[op.name] * y for y in alone(op, magnitudes, sizes, site.steps)]
    return method, _by_perturbation(site, sizes)


def _by_derivative(op: Op, operands: Sequence[np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
    inputs = [Value(TensorType(v.type.dtype, x.shape), "x") for v, x in zip(op.operands, operands, strict=True)]
    builder = Builder(inputs)
    one = builder.emit_op(op.spec, inputs, {name: bind_attr(value, sizes) for name, value in op.attrs})
    moved = np.zeros(operands[0].shape)
    if not one.result.type.dtype.is_float or op.spec.vjp is None:
        return moved
    pulled = op.spec.vjp(RuleContext(builder, one), Traced(builder, builder.full_like(1, one.result)),
                         *(Traced(builder, v) for v in inputs))
    for traced, x in zip(pulled, operands, strict=True):
        if traced is not None and x.dtype.kind == "f":
            graph = Graph(op.name, tuple(inputs), tuple(builder.ops), (traced.value,))
            moved += np.abs(x * evaluate(graph, operands, float64=True)[0])
    return moved


def _by_perturbation(site: Site, sizes: Mapping[str, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    moved = [np.zeros(y.shape) for y in site.exact]
    for _ in range(DRAWS):
        near = {v: x if x.dtype.kind != "f" else x * (1 + STEP * rng.choice((-1.0, 1.0), x.shape))
                for v, x in zip(site.op.operands, site.exact_operands, strict=True)}
        changed = alone(site.op, [near[v] for v in site.op.operands], sizes, site.steps)
        for so_far, found, y in zip(moved, changed, site.exact, strict=True):
            if y.dtype.kind == "f":
                np.fmax(so_far, np.abs(found - y) / STEP, out=so_far)
    return moved


def _summary(method: str, moved: np.ndarray, y: np.ndarray) -> Condition | None:
    c = moved / np.abs(y)
    c = c[~np.isnan(c) & np.isfinite(y)]
    return Condition(method, float(c.max()), float(np.median(c)), int(c.size), largest(moved)) if c.size else None
