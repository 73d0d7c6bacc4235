"""The memory plan: when each stored value is in use.

What does not live here: offsets, which depend on the sizes of a call (graphc.ir.layout).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from types import MappingProxyType

from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel, KernelGraph, side_by_side
from graphc.ir.program import MemoryPlan
from graphc.passes.prologue import split_prologue


def plan_memory(kernels: KernelGraph, fixed: Set[Value] = frozenset(),
                loops: Mapping[Kernel, MemoryPlan] = MappingProxyType({})) -> MemoryPlan:
    """Say when every stored intermediate and output is in use; what is written in place lies elsewhere.

    fixed: inputs that change only between calls; what depends on nothing else is planned apart, as the prologue.
    loops: the plans of the bodies of kernels that are loops.
    """
    once, always = split_prologue(kernels, fixed)
    if not once.kernels:
        return _planned(kernels, set(kernels.graph.outputs), loops)
    needed = {v for kernel in always.kernels for v in kernel.inputs}
    return replace(_planned(always, set(kernels.graph.outputs), loops), prologue=_planned(once, needed, loops))


def _planned(kernels: KernelGraph, kept: Set[Value], loops: Mapping[Kernel, MemoryPlan]) -> MemoryPlan:
    """kept: values that are still needed after the last kernel."""
    first, last = {}, {}  # loops that run at the same time begin and end together
    count = 0
    for group in side_by_side(kernels.kernels):
        first.update(dict.fromkeys(group, count))
        count += len(group)
        last.update(dict.fromkeys(group, count - 1))
    last_use = {v: last[kernel] for kernel in kernels.kernels for v in kernel.inputs}
    last_use.update(dict.fromkeys(kept, count))
    lives = {}
    for kernel in kernels.kernels:
        lives.update({v: (first[kernel], max(last_use.get(v, 0), last[kernel])) for v in kernel.outputs
                      if v not in kernel.in_place})
    return MemoryPlan(kernels, lives, loops={k: loops[k] for k in kernels.kernels if k in loops})
