"""How products are cut: tiles that fill the registers, and blocks of k.

What does not live here: the loops around tiles (contract.py), the tile itself (microkernel.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen_cpu.machine import Machine
from graphc.ir.dims import Dim
from graphc.ir.types import DType
from graphc.ir.views import Axis, Digit

DEPTH = 1024  # steps of k in one block
HEIGHTS = {(32, 1): (12, 4, 1), (32, 2): (12, 4, 1), (32, 3): (8, 3, 1), (32, 4): (6, 2, 1),
           (16, 1): (12, 4, 1), (16, 2): (6, 2, 1)}  # (registers, vectors): tile heights, tallest first


@dataclass(frozen=True)
class Tiling:
    """rows: tile heights, tallest first; vectors per tile row; width of a panel in columns."""

    rows: tuple[int, ...]
    vectors: int
    width: int


@dataclass(frozen=True)
class Blocks:
    """How k is cut: `outer` digits of a's columns are looped over, then `run` in blocks of `runs`, and `inner` whole
    (or, with one run, in blocks of `depth`)."""

    outer: Axis
    run: Digit
    inner: Digit
    runs: int
    depth: int

    @property
    def single(self) -> bool:
        """Whether all of k is one block."""
        return not self.outer and fits(self.run.extent, self.runs) and fits(self.inner.extent, self.depth)


def fits(extent: Dim, limit: int) -> bool:
    """Whether an extent is known and at most `limit`."""
    return isinstance(extent, int) and extent <= limit


def tiling(n: Dim, dtype: DType, machine: Machine) -> Tiling:
    """Tiles that fill the registers with accumulators and pad the fewest columns, wide ones preferred."""
    lanes = machine.vector_bytes // dtype.itemsize
    choices = [vectors for registers, vectors in HEIGHTS if registers == machine.registers]
    vectors = min(choices, key=lambda v: (-(-n // (v * lanes)) * v, -v)) if isinstance(n, int) else 2
    return Tiling(HEIGHTS[machine.registers, vectors], vectors, vectors * lanes)


def blocks_of(columns: Axis) -> Blocks:
    """Whole runs where they are short, else one run in blocks."""
    inner = columns[-1] if columns else Digit(1, 0)
    if len(columns) > 1 and fits(inner.extent, DEPTH):
        assert isinstance(inner.extent, int)
        return Blocks(columns[:-2], columns[-2], inner, max(1, DEPTH // max(inner.extent, 1)), DEPTH)
    return Blocks(columns[:-1], Digit(1, 0), inner, 1, DEPTH)
