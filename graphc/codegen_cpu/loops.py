"""Plain loop kernels: every element of the outputs by itself.

relu(x + b) over [B,64] becomes, for this thread's share of the rows:

    lo, hi = n0 * thread // threads, n0 * (thread + 1) // threads
    for i0 in range(lo, hi):
        for i1 in range(64):
            v1 = p0[i0 * 64 + i1]
            v2 = p1[i1]
            v3 = (v1 + v2)  # add
            v4 = relu(v3)  # relu
            p2[i0 * 64 + i1] = v4

What does not live here: reductions (folds.py), contractions (contractions.py).
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise

from graphc.codegen_cpu.expressions import Expressions
from graphc.codegen_cpu.positions import At
from graphc.codegen_cpu.source import KernelSource
from graphc.ir.dims import Dim, Shape, size_of
from graphc.ir.graph import Op
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.ir.spec import Kind

SHARED_BY_POSITION = ("full", "size", "random_bits", "random_uniform", "random_mask")


def emit_loop(kernel: Kernel, source: KernelSource) -> Emitted:
    """The kernel's body: one loop per block of axes that every access walks through together."""
    expressions = Expressions(kernel, source)
    for output, input_ in kernel.aliases:
        source.pointer(kernel.outputs[output], alias=kernel.inputs[input_])
    blocks = collapsed(kernel)
    sizes = [size_of(block) for block in blocks]
    with ExitStack() as nest:
        texts = []
        for i, size in enumerate(sizes):
            index = f"i{i}"
            if i == 0:
                share(source, source.size(size, runtime=True))
                nest.enter_context(source.block(f"for {index} in range(lo, hi):"))
            else:
                nest.enter_context(source.block(f"for {index} in range({source.size(size)}):"))
            texts.append(index)
        at = At(tuple(zip(blocks, texts, strict=True)))
        if not blocks:
            nest.enter_context(source.block("if thread == 0:"))
        expressions.store_all(kernel.outputs, at)
    total = size_of(kernel.nest.domain)
    return source.finish(work=total * cost(kernel), grid=sizes[0] if sizes else 1)


def share(source: KernelSource, count: str) -> None:
    """This thread's share of `count` pieces, as lo and hi."""
    source.line(f"lo = {count} * thread // threads")
    source.line(f"hi = {count} * (thread + 1) // threads")


def collapsed(kernel: Kernel) -> list[Shape]:
    """The domain's axes in blocks: neighbours that nobody tells apart become one loop."""
    domain = kernel.nest.domain
    cuts = {0, len(domain)}
    for op in kernel.graph.ops:
        if op.spec.kind is Kind.ELEMENTWISE or op.name in SHARED_BY_POSITION:
            continue
        if op.name == "broadcast" and op.result.type.shape == domain:
            cuts |= _broadcast_cuts(op)
        elif op.name == "broadcast" and size_of(op.operands[0].type.shape) == 1:
            continue
        else:
            cuts = set(range(len(domain) + 1))
            break
    edges = sorted(cuts)
    return [domain[low:high] for low, high in pairwise(edges) if high > low]


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
