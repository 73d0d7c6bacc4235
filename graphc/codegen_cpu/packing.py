"""Packing: panels of a contraction's second operand, contiguous, with zeros behind its last column.

A panel is packed where its columns do not lie side by side, where the panels do not divide the columns, where its
rows have several digits, and where its rows lie so far apart that each is in another page.

What does not live here: when a panel is packed, and what reads it (contract.py).
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from graphc.codegen.operands import Operand
from graphc.codegen.positions import linear, plus, times
from graphc.codegen_cpu.source import KernelSource
from graphc.ir.dims import Dim
from graphc.ir.types import DType
from graphc.ir.views import in_blocks

WIDE = 256  # from this many columns on, rows lie pages apart
FEW = 4  # rows of the first operand that do not make up for packing the second
WHOLE = 1 << 17  # bytes of a second operand of which all panels are packed together: rows of the result stay whole
TOGETHER = 2  # panels packed at a time where rows lie pages apart: longer pieces of a row come faster from memory
MOST_TOGETHER = 8  # where one thread makes the whole product, all of so many panels are


@dataclass(frozen=True)
class Panels:
    """b's panels: `width` columns of `vectors` vectors, of which `filled` (as text) exist."""

    b: Operand
    dtype: DType
    width: int
    vectors: int
    filled: str

    @property
    def column(self) -> Dim:
        """The stride of b's columns."""
        return self.b.columns[0].stride if self.b.columns else 1


@dataclass(frozen=True)
class Packed:
    """Where a panel is packed.

    resident  all of its rows, once per panel
    panels    neighbours that are packed together, `room` elements apart
    """

    name: str
    start: str
    resident: bool
    panels: int
    room: int


def must_pack(panels: Panels, n: Dim) -> bool:
    """Whether tiles cannot read b's panels where they lie."""
    if is_packed(panels):
        return False
    row = panels.b.rows[0].stride if panels.b.rows else 0
    room = isinstance(n, int) and isinstance(row, int) and row >= -(-n // panels.width) * panels.width
    whole = isinstance(n, int) and (n % panels.width == 0 or room)
    return panels.column != 1 or not whole or len(panels.b.rows) > 1


def is_packed(panels: Panels) -> bool:
    """Whether the panels lie one behind the other already."""
    columns = panels.b.columns
    return in_blocks(columns) and columns[1].extent % panels.width == 0


def may_pack(n: Dim, m: Dim) -> bool:
    """Whether b's panels are better packed, for all that is known of the number of rows."""
    return isinstance(n, int) and n >= WIDE and (not isinstance(m, int) or m >= FEW)


def emit_pack(panels: Panels, source: KernelSource, pack: Packed, k_at: str, depth: str) -> None:
    """Pack `depth` rows of b from row `k_at` on, of the panel that begins at column j0."""
    b, column = panels.b, source.size(panels.column)
    start = plus(b.at, times("j0", column))
    head = f"for k in range({depth}):"
    if len(b.rows) == 1 and b.rows[0].stride == 1 and panels.filled == str(panels.width):
        _emit_turned(panels, source, pack, plus(start, k_at), depth)
        head = f"for k in range(k, {depth}):"
    at = f"{pack.start} + k * {panels.width} + c"
    with source.block(head):
        row = plus(k_at, "k")
        source.line(f"row = {plus(start, linear(f'({row})' if ' ' in row else row, b.rows, source.size))}")
        with source.block(f"for part in range({pack.panels}):") if pack.panels > 1 else nullcontext():
            place, first = at, "0"
            if pack.panels > 1:
                place, first = plus(at, times("part", str(pack.room))), times("part", str(panels.width))
            with source.block(f"for c in range({panels.filled}):"):
                source.line(f"{pack.name}[{place}] = {b.name}[{plus('row', first, times('c', column))}]")
        if panels.filled != str(panels.width):
            with source.block(f"for c in range({panels.filled}, {panels.width}):"):
                source.line(f"{pack.name}[{at}] = {source.constant(0, panels.dtype)}")


def _emit_turned(panels: Panels, source: KernelSource, pack: Packed, start: str, depth: str) -> None:
    """Whole squares of lanes x lanes, whose columns in memory are rows of the panel."""
    lanes, column = panels.width // panels.vectors, source.size(panels.column)
    turn = source.vector_function("transposed", panels.dtype)
    source.line("k = 0")
    with source.block(f"while k + {lanes} <= {depth}:"):
        with source.block(f"for c in range(0, {panels.width}, {lanes}):"):
            source.line(f"{turn}({panels.b.name}, {plus(start, times('c', column), 'k')}, {column}, "
                        f"{pack.name}, {pack.start} + k * {panels.width} + c, {panels.width})")
        source.line(f"k += {lanes}")
