"""Where blocks of memory lie that are in use at different times.

What does not live here: who is in use when (passes/plan_memory.py).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 64  # bytes: one cache line, one vector register


@dataclass(frozen=True, slots=True)
class Block:
    """`size` bytes, in use from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int


def aligned(size: int) -> int:
    """The size in whole cache lines, at least one."""
    return max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)


def lay_out(blocks: Sequence[Block]) -> tuple[list[int], int]:
    """The offset of each block, and the bytes of all together. Blocks in use at the same time do not overlap.

    The largest block is placed first, each at the lowest offset where it fits.
    """
    offsets = [0] * len(blocks)
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last, by offset
    total = 0
    for number in sorted(range(len(blocks)), key=lambda i: (-blocks[i].size, blocks[i].first, i)):
        block, size = blocks[number], aligned(blocks[number].size)
        at = 0
        for offset, end, first, last in placed:
            if first > block.last or last < block.first:
                continue
            if offset - at >= size:
                break
            at = max(at, end)
        offsets[number] = at
        insort(placed, (at, at + size, block.first, block.last))
        total = max(total, at + size)
    return offsets, total
