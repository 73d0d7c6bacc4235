"""Programs as data: what a kernel's argument block holds, and where every value lies.

Sizes stay symbolic; a slot is as large as the largest value that ever lies in it, known once the
program is called. What does not live here: planning (passes/plan_memory.py), addresses (the runtime).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphc.ir.dims import Dim, bind
from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel, KernelGraph

ALIGNMENT = 64  # bytes: one cache line, one vector register


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
    share; both decide, once the sizes are known, whether threads are worth waking.
    """

    source: str
    words: tuple[Word, ...]
    work: Dim
    grid: Dim


@dataclass(frozen=True, eq=False)
class MemoryPlan:
    """slots: the sizes in bytes of the values that share each slot. place: value -> slot.

    prologue: the plan of what is computed from states alone, before the first call.
    """

    kernels: KernelGraph
    slots: tuple[tuple[Dim, ...], ...]
    place: Mapping[Value, int]
    prologue: MemoryPlan | None = None

    @property
    def all_kernels(self) -> tuple[Kernel, ...]:
        """Those of the prologue, then those of every call."""
        once = self.prologue.kernels.kernels if self.prologue is not None else ()
        return (*once, *self.kernels.kernels)

    def slot_sizes(self, sizes: Mapping[str, int]) -> list[int]:
        """Bytes of every slot, aligned, for the given symbol sizes."""
        return [_aligned(max(_bound(d, sizes) for d in members)) for members in self.slots]

    def peak_bytes(self, sizes: Mapping[str, int]) -> int:
        """Bytes of the whole arena and of what the prologue made: everything but inputs and states."""
        once = self.prologue.peak_bytes(sizes) if self.prologue is not None else 0
        return once + sum(self.slot_sizes(sizes))


def _bound(dim: Dim, sizes: Mapping[str, int]) -> int:
    size = bind(dim, sizes)
    assert isinstance(size, int), f"{dim} is not bound"
    return size


def _aligned(size: int) -> int:
    return max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)
