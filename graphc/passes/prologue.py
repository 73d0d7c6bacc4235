"""What depends on states alone is computed once, not at every call: transformed weights, folded statistics.

A kernel belongs to the prologue of a program if all it reads are inputs that only change between calls, constants, and
what the prologue makes; sizes that are known; nothing random; and nobody outside of the program sees what it makes.

What does not live here: when the prologue runs again (runtime/prologue.py).
"""

from __future__ import annotations

from collections.abc import Set

from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel, KernelGraph


def split_prologue(kernels: KernelGraph, fixed: Set[Value]) -> tuple[KernelGraph, KernelGraph]:
    """The kernels to run once and those to run at every call; fixed: the inputs that do not change between calls."""
    known, once, always = set(fixed), [], []
    known.update(op.result for op in kernels.graph.ops if op.name == "constant")
    shown = set(kernels.graph.outputs)
    for kernel in kernels.kernels:
        if _belongs(kernel, known, shown):
            once.append(kernel)
            known.update(kernel.outputs)
        else:
            always.append(kernel)
    return (KernelGraph(kernels.graph, tuple(once), ()), KernelGraph(kernels.graph, tuple(always), kernels.decisions))


def _belongs(kernel: Kernel, known: Set[Value], shown: Set[Value]) -> bool:
    return (set(kernel.inputs) <= known and not kernel.in_place and not set(kernel.outputs) & shown
            and not any(op.name == "random_key" for op in kernel.graph.ops)
            and not any(r.type.symbols for op in kernel.graph.ops for r in op.results)
            and not any(op.name == "size" for op in kernel.graph.ops))
