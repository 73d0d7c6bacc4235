"""The iteration space of a kernel: which axes one loop walks together, and how much work there is.

What does not live here: the loops (the targets' emitters).
"""

from __future__ import annotations

from itertools import pairwise

from graphc.ir.dims import Dim, Shape, size_of
from graphc.ir.graph import Op
from graphc.ir.kernel import Kernel
from graphc.ir.spec import Kind

SHARED_BY_POSITION = ("full", "size", "random_bits", "random_uniform", "random_mask")


def collapsed(kernel: Kernel) -> list[Shape]:
    """The domain's axes in blocks: neighbours that nobody tells apart become one loop."""
    domain = kernel.nest.domain
    cuts = _cuts(kernel)
    edges = sorted(cuts if cuts is not None else range(len(domain) + 1))
    return [domain[low:high] for low, high in pairwise(edges) if high > low]


def walks_straight(kernel: Kernel) -> bool:
    """Whether every array is read along the blocks as it lies, or not at all along them."""
    return _cuts(kernel) is not None


def _cuts(kernel: Kernel) -> set[int] | None:
    """Borders between axes that somebody tells apart; None where an op reads in another order."""
    domain = kernel.nest.domain
    cuts = {0, len(domain)}
    for op in kernel.graph.ops:
        if op.spec.kind is Kind.ELEMENTWISE or op.name in SHARED_BY_POSITION:
            continue
        if op.name == "broadcast" and op.result.type.shape == domain:
            cuts |= _broadcast_cuts(op)
        elif op.name != "broadcast" or size_of(op.operands[0].type.shape) != 1:
            return None
    return cuts


def _broadcast_cuts(op: Op) -> set[int]:
    """Axis borders where a broadcast begins or ends to repeat."""
    shape, axes = op.operands[0].type.shape, op.attr("axes")
    kept = {axes[i]: i for i in range(len(shape)) if shape[i] != 1}
    source = [kept.get(axis) for axis in range(op.result.type.rank)]
    return {i for i in range(1, len(source))
            if (source[i] is None) != (source[i - 1] is None)
            or (source[i] is not None and source[i] != (source[i - 1] or 0) + 1)}


def cost(kernel: Kernel) -> int:
    """Scalar operations per element, roughly: transcendental functions count eight."""
    heavy = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "power", "sin", "cos", "random_uniform",
             "random_mask")
    return sum(8 if op.name in heavy else 1 for op in kernel.graph.ops) or 1


def total_work(kernel: Kernel) -> Dim:
    return size_of(kernel.nest.domain) * cost(kernel)
