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

from graphc.codegen.expressions import Expressions
from graphc.codegen.nests import collapsed, cost
from graphc.codegen.positions import At
from graphc.codegen_cpu.source import KernelSource
from graphc.ir.dims import size_of
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted


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
