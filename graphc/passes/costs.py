"""What ops cost, as far as passes ask: which are computed again rather than kept, which are worth a loop of their
own.
"""

from __future__ import annotations

from graphc.ir.dims import Dim, bind, symbols
from graphc.ir.graph import Op
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
