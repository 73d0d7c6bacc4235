"""The memory plan: values whose lives do not overlap share a slot.

Greedy in execution order: a result takes the free slot whose size fits best when every symbol is
NOMINAL, else a new one. Correct for every size, since a slot grows to its largest member.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from functools import cache

from graphc.ir.dims import Dim, bind, symbols
from graphc.ir.graph import Value
from graphc.ir.kernel import KernelGraph
from graphc.ir.program import MemoryPlan
from graphc.passes.prologue import split_prologue

NOMINAL = 32


def plan_memory(kernels: KernelGraph, fixed: Set[Value] = frozenset()) -> MemoryPlan:
    """Give every stored intermediate and output a slot; what is written in place needs none.

    fixed: inputs that change only between calls; what depends on nothing else is planned apart, as the prologue.
    """
    once, always = split_prologue(kernels, fixed)
    if not once.kernels:
        return _planned(kernels, set(kernels.graph.outputs))
    needed = {v for kernel in always.kernels for v in kernel.inputs}
    return replace(_planned(always, set(kernels.graph.outputs)), prologue=_planned(once, needed))


def _planned(kernels: KernelGraph, kept: Set[Value]) -> MemoryPlan:
    last_use = {v: i for i, kernel in enumerate(kernels.kernels) for v in kernel.inputs}
    slots: list[list[Dim]] = []
    held: list[int] = []
    free: list[int] = []
    place: dict[Value, int] = {}
    for i, kernel in enumerate(kernels.kernels):
        in_place = {output for output, _ in kernel.aliases}
        for position, value in enumerate(kernel.outputs):
            if position not in in_place:
                place[value] = _take(value.type.nbytes, slots, held, free)
        done = [v for v in (*kernel.inputs, *kernel.outputs)
                if last_use.get(v, -1) <= i and v in place and v not in kept]
        free.extend(place[v] for v in dict.fromkeys(done))
    return MemoryPlan(kernels, tuple(map(tuple, slots)), place)


def _take(size: Dim, slots: list[list[Dim]], held: list[int], free: list[int]) -> int:
    """A slot for `size` bytes; held[s] is the nominal size of slot s."""
    wanted = _nominal(size)
    best = min(free, key=lambda s: (abs(held[s] - wanted), s), default=None)
    if best is not None and _worth_sharing(held[best], wanted):
        free.remove(best)
        if size not in slots[best]:
            slots[best].append(size)
        held[best] = max(held[best], wanted)
        return best
    slots.append([size])
    held.append(wanted)
    return len(slots) - 1


def _worth_sharing(held: int, wanted: int) -> bool:
    """Sharing saves the smaller of the two; it must not grow a small slot that others could use better."""
    return wanted <= held <= 4 * wanted or held < wanted <= 2 * held or max(held, wanted) <= 4096


@cache
def _nominal(size: Dim) -> int:
    bound = bind(size, dict.fromkeys(symbols(size), NOMINAL))
    assert isinstance(bound, int)
    return bound
