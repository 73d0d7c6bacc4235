"""What ops cost, as far as passes ask: which are computed again rather than kept, which are worth a loop of their
own; and what whole graphs cost to interpret and to compile.
"""

from __future__ import annotations

from graphc.ir.dims import Dim, bind, size_of, symbols
from graphc.ir.graph import Graph, Op
from graphc.ir.spec import Kind

NOMINAL = 32  # what a symbol counts as where sizes are compared
TRANSCENDENTAL = frozenset(("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "power", "sin", "cos", "sqrt",
                            "softplus"))

CONVOLUTIONS = frozenset(("convolution", "convolution_gradient", "depthwise_convolution"))


def is_cheap(op: Op) -> bool:
    """Whether computing the result again takes no longer than reading it from memory."""
    if op.spec.kind is Kind.ELEMENTWISE:
        return op.name not in TRANSCENDENTAL
    return op.spec.kind in (Kind.INDEX, Kind.SOURCE) and op.name != "random_key"


def is_heavy(op: Op) -> bool:
    """Whether many steps of an op at once are worth more than keeping it beside its neighbours."""
    return op.spec.kind is Kind.CONTRACT or op.name in CONVOLUTIONS


def nominal(dim: Dim) -> int:
    """A size where every symbol is NOMINAL."""
    return int(bind(dim, dict.fromkeys(symbols(dim), NOMINAL)))  # type: ignore[arg-type]


def interpreted(graph: Graph) -> Dim:
    """Nanoseconds that the reference takes for a call, roughly; the sizes of an op's operands and results count.

    Measured on one core of 2.6 GHz: 8 us an op, 2 ns an element, half a nanosecond a multiplication of a product.
    """
    total: Dim = 0
    for op in graph.ops:
        if op.name == "scan":
            total += op.attr("length") * interpreted(op.attr("body"))
        elements = sum((size_of(v.type.shape) for v in (*op.operands, *op.results)), start=0)
        total += 8000 + 2 * elements + _multiplications(op) // 2
    return total


def _multiplications(op: Op) -> Dim:
    """Of products and convolutions; 0 for all others."""
    if not is_heavy(op):
        return 0
    x, y, *_ = (v.type for v in op.operands)
    terms = size_of(y.shape[:-1]) if op.name in CONVOLUTIONS else x.shape[-1]
    return size_of(op.results[0].type.shape) * terms


def compiled(graph: Graph) -> int:
    """Nanoseconds that compiling a graph takes where no kernel is in the cache, roughly: 40 ms an op."""
    return 40_000_000 * len(graph.ops) + sum(compiled(op.attr("body")) for op in graph.ops if op.name == "scan")
