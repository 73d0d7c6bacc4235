"""Reductions as passes over the folded axes: which op runs in which pass, and how a fold begins and goes on.

What does not live here: the loops (the targets' folds.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.source import Source
from graphc.ir.graph import Op, Value
from graphc.ir.kernel import Kernel
from graphc.ir.spec import Kind
from graphc.ir.types import I64, DType


@dataclass(frozen=True)
class Pass:
    """One walk over the folded axes: folds to run, element values to store, then values of the folds."""

    folds: list[Op]
    stores: list[Value]
    after: list[Op]


def schedule(kernel: Kernel) -> list[Pass]:
    """Which op runs in which pass: a value of the element space may read folds of earlier passes."""
    domain = kernel.nest.domain
    level: dict[Value, int] = {v: 0 for v in kernel.inputs}
    folds: dict[int, list[Op]] = {}
    after: dict[int, list[Op]] = {}
    producers = kernel.graph.producers()
    for op in kernel.graph.ops:
        ready = max((level[v] for v in op.operands), default=0)
        if op.spec.kind is Kind.REDUCE:
            folds.setdefault(ready, []).append(op)
            ready += 1
        elif op.result.type.shape == kernel.nest.folded != domain and (
                op.spec.kind is Kind.ELEMENTWISE or op.result in kernel.outputs):
            after.setdefault(max(ready - 1, 0), []).append(op)
            ready = max(ready, 1)
        level[op.results[0]] = ready
    stores: dict[int, list[Value]] = {}
    for value in kernel.outputs:
        op = producers[value]
        if op.spec.kind is not Kind.REDUCE and value.type.shape == domain:
            stores.setdefault(level[value], []).append(value)
    last = max([*folds, *after, *stores])
    return [Pass(folds.get(i, []), stores.get(i, []), after.get(i, [])) for i in range(last + 1)]


COMBINE = {"reduce_sum": "{0} + {1}", "reduce_prod": "{0} * {1}", "reduce_max": "maximum({0}, {1})",
            "reduce_min": "minimum({0}, {1})"}
_LOGIC = {"reduce_any": "{0} or {1}", "reduce_all": "{0} and {1}"}


def combine(op: Op, held: str, element: str, source: Source) -> str:
    template = COMBINE.get(op.name) or _LOGIC[op.name]
    if "(" in template:
        source.function(template.split("(")[0])
    text = template.format(held, element)
    dtype = op.result.type.dtype
    return source.cast(text, dtype) if dtype.is_integer and dtype is not I64 else text


def initial(op: Op, source: Source) -> str:
    dtype = op.result.type.dtype
    if dtype.is_float:
        worst = {"reduce_max": float("-inf"), "reduce_min": float("inf")}
    else:
        low, high = (0, 1) if dtype.kind == "bool" else _range(dtype)
        worst = {"reduce_max": low, "reduce_min": high}
    start = {"reduce_sum": 0, "reduce_prod": 1, "reduce_any": False, "reduce_all": True, **worst}
    return source.constant(start[op.name], dtype)


def _range(dtype: DType) -> tuple[int, int]:
    bits = 8 * dtype.itemsize
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if dtype.kind == "int" else (0, (1 << bits) - 1)
