"""Programs as data: what a kernel's argument block holds, and when every value is in use.

Sizes stay symbolic; where a value lies is known once the program is called.
What does not live here: planning (passes/plan_memory.py), addresses (the runtime).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphc.ir.dims import Dim, bind
from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel, KernelGraph
from graphc.ir.layout import Block, lay_out


@dataclass(frozen=True)
class Word:
    """One word of a kernel's argument block.

    kind "pointer" (subject: Value), "size" (subject: Dim), "scratch" (subject: bytes per thread),
    "status" (none).
    """

    kind: str
    subject: Any = None


@dataclass(frozen=True)
class Emitted:
    """A kernel's source and what its argument block must hold.

    work is the number of scalar operations of one run, grid the number of pieces that threads can
    share; both decide, once the sizes are known, whether threads are worth waking. On a device a piece is a block,
    of so many threads.
    """

    source: str
    words: tuple[Word, ...]
    work: Dim
    grid: Dim
    threads: int = 1


@dataclass(frozen=True, eq=False)
class MemoryPlan:
    """lives: from which kernel to which each value is in use that lies in the arena, kernels numbered in order.

    prologue: the plan of what is computed from states alone, before the first call (of a loop's body: before the first
    step). loops: the plans of the bodies of kernels that are loops.
    """

    kernels: KernelGraph
    lives: Mapping[Value, tuple[int, int]]
    prologue: MemoryPlan | None = None
    loops: Mapping[Kernel, MemoryPlan] = field(default_factory=dict)

    @property
    def all_kernels(self) -> tuple[Kernel, ...]:
        """All kernels that have code of their own: of the prologue, of every call, of the bodies of loops."""
        once = self.prologue.all_kernels if self.prologue is not None else ()
        own = tuple(kernel for kernel in self.kernels.kernels if kernel not in self.loops)
        return (*once, *own, *(kernel for plan in self.loops.values() for kernel in plan.all_kernels))

    def layout(self, sizes: Mapping[str, int]) -> tuple[dict[Value, int], int]:
        """The offset of every value in the arena, and its bytes, for the given symbol sizes."""
        blocks = [Block(_bound(value.type.nbytes, sizes), *life) for value, life in self.lives.items()]
        offsets, total = lay_out(blocks)
        return dict(zip(self.lives, offsets, strict=True)), total

    def peak_bytes(self, sizes: Mapping[str, int]) -> int:
        """Bytes of the whole arena, the largest loop's own and what the prologue made: all but inputs and states."""
        once = self.prologue.peak_bytes(sizes) if self.prologue is not None else 0
        bodies = [plan.peak_bytes(_with_rows(kernel, sizes)) for kernel, plan in self.loops.items()]
        return once + self.layout(sizes)[1] + max(bodies, default=0)


def _with_rows(kernel: Kernel, sizes: Mapping[str, int]) -> Mapping[str, int]:
    """Sizes inside of a loop, for all of its rows."""
    rows = kernel.anchor.kwargs.get("rows") if kernel.anchor is not None else None
    return sizes if rows is None else {**sizes, rows[0]: _bound(rows[1], sizes)}


def _bound(dim: Dim, sizes: Mapping[str, int]) -> int:
    size = bind(dim, sizes)
    assert isinstance(size, int), f"{dim} is not bound"
    return size
