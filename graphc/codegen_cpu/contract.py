"""Blocking around the micro-kernel: panels of columns, lines and chunks of rows, blocks of k, and the epilogue.

For a [M,20] @ [20,64] product with bias and relu behind it the body of the kernel is

    (this thread's panels of 64 columns, or its rows where there are fewer panels than threads)
    for panel in range(p_lo, p_hi):
        j0 = panel * 64
        (b's panel packed, where it must be)
        for r0 in range(r_lo, r_hi, 48):              # rows whose sums fit in L1
            rows = min(48, r_hi - r0)
            r = 0
            while r + 6 <= rows:                      # tiles of 6, 2 and 1 rows into the sums
                tile(...)
                r += 6
            ...
            for r in range(rows):                     # the epilogue, vectorised over columns
                for c in range(64):
                    acc = s_f32[z_f32 + r * 64 + c]
                    ...

The rows of a may have several digits (images, lines and pixels of a convolution): lines, over which the last digit
runs, are then shared between threads, and each has its own loop of chunks. So may its columns (lines and pixels of a
window): a tile sums over runs. A long sum is cut into blocks of about DEPTH. Each output element is made by one
thread, in order of k: results do not depend on the number of threads.

What does not live here: the tile (microkernel.py), its size (tilings.py), packing (packing.py), what the epilogue
computes (contractions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from graphc.codegen.operands import Operand
from graphc.codegen.positions import linear, plus, times
from graphc.codegen_cpu.machine import Machine
from graphc.codegen_cpu.packing import (
    FEW,
    MOST_TOGETHER,
    TOGETHER,
    WHOLE,
    Packed,
    Panels,
    emit_pack,
    is_packed,
    may_pack,
    must_pack,
)
from graphc.codegen_cpu.source import KernelSource
from graphc.codegen_cpu.tilings import DEPTH, Tiling, blocks_of, fits, tiling
from graphc.ir.dims import Dim, size_of
from graphc.ir.types import DType
from graphc.ir.views import Digit, in_blocks

SUMS = 3072  # sums kept before the epilogue runs, in elements: they stay in L1
LINE_SUMS = 1 << 14  # the same for a line of known length, which is not cut: they stay in L2
MOST_SUMS = 1 << 16  # the same where k is cut into blocks: all rows of a panel take part in one block before the next
SHORT = 16  # a run of k of at most so many steps, if known, has no loop
RESIDENT = 1 << 20  # bytes of a panel of b that is packed as a whole
FEW_VECTORS = {32: (16, 8, 4), 16: (8, 4, 2)}  # registers: vectors of tiles of one row, widest first


@dataclass(frozen=True)
class Contraction:
    """c[m,n] = a[m,k] b[k,n]; strides count elements."""

    m: Dim
    n: Dim
    k: Dim
    a: Operand
    b: Operand
    dtype: DType


@dataclass(frozen=True)
class Sums:
    """Where tiles leave their sums: name[start + row * stride + column], row and column relative to the tile's."""

    name: str
    start: str
    stride: Dim


def emit_contraction(spec: Contraction, machine: Machine, source: KernelSource, split: bool,
                     epilogue: Callable[[str, str, str], None] | None, out: tuple[str, str] = ("", "0")) -> None:
    """Write the loops. epilogue(row, column, sum) writes the lines that use up one element.

    epilogue=None stores the sums as they are in `out` (pointer and offset), row-major. split=False leaves
    the whole product to the calling thread.
    """
    tiles = tiling(spec.n, spec.dtype, machine)
    few = _few_rows(spec, machine)
    if few is None:
        _Emitter(spec, tiles, source, epilogue, out, split).emit()
        return
    with source.block(f"if {source.size(spec.m)} >= {FEW}:"):
        _Emitter(spec, tiles, source, epilogue, out, split).emit()
    with source.block("else:"):
        _Emitter(spec, few, source, epilogue, out, split, few=True).emit()


def _few_rows(spec: Contraction, machine: Machine) -> Tiling | None:
    """Tiles for fewer rows than make up for packing b: they read longer pieces of its rows, as they lie.

    None where b is packed in any case, or never.
    """
    if isinstance(spec.m, int) or not may_pack(spec.n, spec.m):
        return None
    for vectors in FEW_VECTORS[machine.registers]:
        width = vectors * machine.vector_bytes // spec.dtype.itemsize
        if not must_pack(Panels(spec.b, spec.dtype, width, vectors, str(width)), spec.n):
            return Tiling((1,), vectors, width)
    return None


class _Emitter:
    def __init__(self, spec: Contraction, tiles: Tiling, source: KernelSource,
                 epilogue: Callable[[str, str, str], None] | None, out: tuple[str, str], split: bool,
                 few: bool = False):
        self.spec, self.tiles, self.source, self.epilogue, self.out = spec, tiles, source, epilogue, out
        self.split = split
        self.blocks = blocks_of(spec.a.columns)
        self.lines, self.row = spec.a.rows[:-1], spec.a.rows[-1] if spec.a.rows else Digit(1, 0)
        self.line_count = source.size(size_of(d.extent for d in self.lines))
        self.n = source.size(spec.n)
        self.width = self._width()
        self.panels = Panels(spec.b, spec.dtype, self.tiles.width, self.tiles.vectors, self.width)
        self.pack = None if few else self._packed()
        self.span = self.tiles.width * (self.pack.panels if self.pack is not None else 1)
        self.inside = bool(self.lines) and not self.blocks.single and fits(spec.m, MOST_SUMS // self.span)
        self.heights, self.taller = self._heights()
        self.chunk = self._chunk()

    def emit(self) -> None:
        spec, source = self.spec, self.source
        direct = self.epilogue is None and not self.inside and isinstance(spec.n, int) \
            and spec.n % self.span == 0
        sums = self._direct() if direct else Sums(*source.scratch(spec.dtype, self._room() * self.span), self.span)
        self._shares()
        with source.block("for panel in range(p_lo, p_hi):"):
            source.line(f"j0 = panel * {self.span}")
            if self.pack is not None and self.pack.resident:
                self._emit_pack(self.pack, "0", source.size(spec.k))
            if self.inside:
                self._lines_inside(sums)
            elif self.lines:
                with self._line_loop("line_lo", "line_hi"):
                    self._chunks(sums, plus(spec.a.at, "a_line"), "0", source.size(self.row.extent), direct)
            else:
                self._chunks(sums, spec.a.at, "r_lo", "r_hi", direct)

    # ---- loops over rows

    def _shares(self) -> None:
        """This thread's part: panels where there are enough of them, else lines, or rows of each line."""
        source = self.source
        panels = str(-(-self.spec.n // self.span)) if isinstance(self.spec.n, int) \
            else f"(({self.n} + {self.span - 1}) // {self.span})"
        by_line = bool(self.lines) and not self.inside
        name, count = ("line", self.line_count) if by_line else ("r", source.size(self.row.extent))
        source.line(f"p_lo, p_hi, {name}_lo, {name}_hi = 0, {panels}, 0, {count}")
        if not self.split:
            return
        with source.block(f"if {panels} >= {'threads * 4' if by_line else 'threads'}:"):
            source.line(f"p_lo = {panels} * thread // threads")
            source.line(f"p_hi = {panels} * (thread + 1) // threads")
        with source.block("else:"):
            if by_line:
                source.line(f"line_lo = {count} * thread // threads")
                source.line(f"line_hi = {count} * (thread + 1) // threads")
                return
            grain = self.tiles.rows[-2:][0]
            source.line(f"blocks = ({count} + {grain - 1}) // {grain}")
            source.line(f"r_lo = min({count}, blocks * thread // threads * {grain})")
            source.line(f"r_hi = min({count}, blocks * (thread + 1) // threads * {grain})")

    def _chunk(self) -> int:
        """Rows of one line whose sums are kept at a time: a multiple of the tallest tile, or the whole line."""
        extent = self.row.extent
        most = MOST_SUMS if not self.blocks.single else LINE_SUMS if self.lines else SUMS
        if isinstance(extent, int) and extent * self.span <= most:
            return max(extent, 1)
        return max(1, (SUMS if self.blocks.single else most) // self.span // self.heights[0]) * self.heights[0]

    def _heights(self) -> tuple[tuple[int, ...], int]:
        """Tile heights, and how many rows the first takes at most (0: as many as there are).

        Lines of a known length are cut into tiles of two heights, which leave no small rest.
        """
        tallest, extent = self.tiles.rows[0], self.row.extent
        if not self.lines or self.inside or not isinstance(extent, int) \
                or not 1 <= extent * self.span <= LINE_SUMS:
            return self.tiles.rows, 0
        each, more = divmod(extent, -(-extent // tallest))
        return ((each + 1, each), more * (each + 1)) if more else ((each,), 0)

    def _room(self) -> int:
        """Rows of sums that are kept at a time."""
        return self.spec.m if self.inside and isinstance(self.spec.m, int) else self.chunk

    def _direct(self) -> Sums:
        """Sums that are the result as it lies in memory."""
        row = f"({plus(self._first(), 'r0')})" if self.lines else "r0"
        return Sums(self.out[0], plus(self.out[1], times(row, str(self.spec.n)), "j0"), self.spec.n)

    def _first(self) -> str:
        """The number of the first row of the line at hand."""
        return times("line", self.source.size(self.row.extent)) if self.lines else "0"

    @contextmanager
    def _line_loop(self, low: str, high: str) -> Iterator[None]:
        with self.source.block(f"for line in range({low}, {high}):"):
            self.source.line(f"a_line = {linear('line', self.lines, self.source.size)}")
            yield

    def _lines_inside(self, sums: Sums) -> None:
        """All rows take part in one block of k before the next: what the block reads stays in the cache."""
        source, spec, line = self.source, self.spec, self._first()
        here = Sums(sums.name, plus(sums.start, times(f"({plus(line, 'r_lo')})", str(sums.stride))), sums.stride)

        def tiles(a_k: str, k_at: str, runs: str, depth: str) -> None:
            with self._line_loop("0", self.line_count):
                source.line("rows = r_hi - r_lo")
                source.line("r0 = r_lo")
                self._emit_tiles(here, plus(spec.a.at, "a_line", a_k), k_at, runs, depth)

        self._over_k(tiles)
        with self._line_loop("0", self.line_count):
            source.line("rows = r_hi - r_lo")
            source.line("r0 = r_lo")
            self._emit_epilogue(here)

    def _chunks(self, sums: Sums, a_at: str, low: str, high: str, direct: bool) -> None:
        source = self.source
        with source.block(f"for r0 in range({low}, {high}, {self.chunk}):"):
            source.line(f"rows = min({self.chunk}, {high} - r0)")
            self._over_k(lambda a_k, k_at, runs, depth: self._emit_tiles(sums, plus(a_at, a_k), k_at, runs, depth))
            if not direct:
                self._emit_epilogue(sums)

    def _emit_epilogue(self, sums: Sums) -> None:
        source = self.source
        with source.block("for r in range(rows):"), source.block(f"for c in range({self._columns()}):"):
            source.line(f"acc = {sums.name}[{sums.start} + r * {sums.stride} + c]")
            row, column = f"({plus(self._first(), 'r0', 'r')})", "(j0 + c)"
            if self.epilogue is not None:
                self.epilogue(row, column, "acc")
            else:
                source.line(f"{self.out[0]}[{plus(self.out[1], times(row, self.n), column)}] = acc")

    # ---- loops over k

    def _over_k(self, tiles: Callable[[str, str, str, str], None]) -> None:
        """Call tiles(offset in a, number of the first k, runs, steps in each) for all of k, or block by block."""
        source, blocks = self.source, self.blocks
        inner, runs = source.size(blocks.inner.extent), source.size(blocks.run.extent)
        if blocks.single:
            tiles("0", "0", runs, inner)
            return
        a_k, k_at = ["0"], ["0"]
        by_run = not fits(blocks.run.extent, blocks.runs)
        step, whole, digit = (blocks.runs, runs, blocks.run) if by_run else (blocks.depth, inner, blocks.inner)
        outer = source.size(size_of(d.extent for d in blocks.outer))
        with source.block(f"for kq in range({outer}):") if blocks.outer else nullcontext():
            if blocks.outer:
                source.line(f"a_kq = {linear('kq', blocks.outer, source.size)}")
                a_k.append("a_kq")
                k_at.append(times("kq", times(inner, runs) if " " not in inner else f"({times(inner, runs)})"))
            with source.block(f"for k0 in range(0, max({whole}, 1), {step}):"):
                source.line(f"left = min({step}, {whole} - k0)")
                source.line(f"k_at = {plus(*k_at, times('k0', inner) if by_run else 'k0')}")
                counts = ("left", inner) if by_run else (runs, "left")
                if self.pack is not None and not self.pack.resident:
                    self._emit_pack(self.pack, "k_at", times(counts[1], counts[0]))
                tiles(plus(*a_k, times("k0", source.size(digit.stride))), "k_at", *counts)

    def _emit_tiles(self, sums: Sums, a_at: str, k_at: str, runs: str, depth: str) -> None:
        spec, source = self.spec, self.source
        row, col, run = (source.size(d.stride) for d in (self.row, self.blocks.inner, self.blocks.run))
        steps = int(depth) if depth.isdigit() and int(depth) <= SHORT else 0
        count, b, column = self.span // self.tiles.width, self._panel(k_at), "0"
        with source.block(f"for part in range({count}):") if count > 1 else nullcontext():
            if count > 1:
                source.line(f"column = part * {self.tiles.width}")
                column = "column"
            source.line("r = 0")
            for height in self.heights:
                tile = source.tile(spec.dtype, height, self.tiles.vectors, steps)
                bounded = self.taller and height == self.heights[0]
                with source.block(f"while r < {self.taller}:" if bounded else f"while r + {height} <= rows:"):
                    source.line(f"{tile}({spec.a.name}, {plus(a_at, times('(r0 + r)', row))}, {row}, {col}, {run},")
                    source.line(f"    {b}, {runs}, {depth}, {sums.name}, "
                                f"{plus(sums.start, column)} + r * {sums.stride}, {sums.stride}, {k_at})")
                    source.line(f"r += {height}")

    # ---- panels of b

    def _width(self) -> str:
        """Columns of a panel that exist, as text."""
        n, width = self.spec.n, self.tiles.width
        if isinstance(n, int) and n % width == 0:
            return str(width)
        if isinstance(n, int) and n < width:
            return str(n)
        return f"min({width}, {self.n} - j0)"

    def _columns(self) -> str:
        """Columns of a panel, or of all that are packed together, that exist, as text."""
        return self.width if self.span == self.tiles.width else str(self.span)

    def _emit_pack(self, pack: Packed, k_at: str, depth: str) -> None:
        emit_pack(self.panels, self.source, pack, k_at, depth)

    def _panel(self, k_at: str) -> str:
        """The tile's arguments that say where a panel begins at row k_at of b: pointer, offset, stride of rows.

        Of several that are packed together that of number `part`.
        """
        source, b, pack, width = self.source, self.spec.b, self.pack, self.tiles.width
        if pack is None:
            row = source.size(b.rows[0].stride) if b.rows else "0"
            return f"{b.name}, {plus(b.at, times(k_at, row), self._first_column())}, {row}"
        start = plus(pack.start, times("part", str(pack.room)) if pack.panels > 1 else "0")
        return f"{pack.name}, {plus(start, times(k_at, str(width))) if pack.resident else start}, {width}"

    def _first_column(self) -> str:
        """The offset of the panel's first column."""
        columns = self.spec.b.columns
        if not in_blocks(columns):
            return "j0"
        outer, block = self.source.size(columns[0].stride), columns[1].extent
        if block == self.tiles.width:
            return times("panel", outer)
        return plus(times(f"(j0 // {block})", outer), f"j0 % {block}")

    def _packed(self) -> Packed | None:
        must = must_pack(self.panels, self.spec.n)
        if not must and (is_packed(self.panels) or not may_pack(self.spec.n, self.spec.m)):
            return None
        k, width, together = self.spec.k, self.tiles.width, 1 if must else self._together()
        resident = isinstance(k, int) and k * width * together * self.spec.dtype.itemsize <= RESIDENT
        if together > TOGETHER and not resident:
            self.blocks = replace(self.blocks, depth=DEPTH * TOGETHER // together)
        blocks = self.blocks
        inner = blocks.inner.extent if blocks.run.extent != 1 and isinstance(blocks.inner.extent, int) else blocks.depth
        depth = k if resident and isinstance(k, int) else blocks.runs * inner
        name, start = self.source.scratch(self.spec.dtype, depth * width * together)
        return Packed(name, start, resident, together, depth * width)

    def _together(self) -> int:
        """How many panels are packed at a time, where that is a choice: all of few, if no thread needs another's."""
        n, k, width = self.spec.n, self.spec.k, self.tiles.width
        if not isinstance(n, int) or n % width:
            return 1
        small = isinstance(k, int) and k * n * self.spec.dtype.itemsize <= WHOLE
        if small or (not self.split and n <= MOST_TOGETHER * width and self.blocks.run.extent == 1):
            return n // width
        return TOGETHER if n % (TOGETHER * width) == 0 else 1
