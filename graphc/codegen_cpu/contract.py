"""Blocking around the micro-kernel: panels of columns, chunks of rows, blocks of k, and the epilogue.

For a [M,20] @ [20,64] product with bias and relu behind it the body of the kernel is

    (this thread's panels of 32 columns, or its rows where there are fewer panels than threads)
    for panel in range(p_lo, p_hi):
        j0 = panel * 32
        for r0 in range(r_lo, r_hi, 96):              # rows whose sums fit in L1
            rows = min(96, r_hi - r0)
            for k0 in range(0, 20, 512):              # b's block of this panel, packed where it must be
                r = 0
                while r + 12 <= rows:                 # tiles of 12, 4 and 1 rows into the sums
                    tile12(...)
                    r += 12
                ...
            for r in range(rows):                     # the epilogue, vectorised over columns
                for c in range(32):
                    v = s_f32[z_f32 + r * 32 + c]
                    ...

b is packed into contiguous panels, zeros behind its last column, where its columns do not lie side by
side or the panels do not divide it. Each output element is made by one thread, in order of k: results do not
depend on the number of threads.

What does not live here: the tile (microkernel.py), what the epilogue computes (contractions.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.codegen_cpu.machine import Machine
from graphc.codegen_cpu.source import KernelSource
from graphc.ir.dims import Dim
from graphc.ir.types import DType

ROWS = 96  # rows whose sums are kept before the epilogue runs
DEPTH = 512  # rows of b that are used before the next block is looked at
WIDE = 256  # from this many columns on, b is packed so that its rows do not lie pages apart


@dataclass(frozen=True)
class Contraction:
    """c[m,n] = a[m,k] b[k,n]; a and b name pointers, the *_at their offsets, strides count elements."""

    m: Dim
    n: Dim
    k: Dim
    a: str
    b: str
    a_at: str
    b_at: str
    a_strides: tuple[Dim, Dim]
    b_strides: tuple[Dim, Dim]
    dtype: DType


@dataclass(frozen=True)
class Tiling:
    """rows: tile heights, tallest first; vectors per tile row; width of a panel in columns."""

    rows: tuple[int, ...]
    vectors: int
    width: int


def tiling(spec: Contraction, machine: Machine) -> Tiling:
    """Tiles that fill the registers with accumulators, narrow ones where there are few columns."""
    lanes = machine.vector_bytes // spec.dtype.itemsize
    vectors = 1 if isinstance(spec.n, int) and spec.n <= lanes else 2
    tallest = 12 if machine.registers >= 32 else 6
    return Tiling((tallest, 4, 1), vectors, vectors * lanes)


def emit_contraction(spec: Contraction, machine: Machine, source: KernelSource, split: bool,
                     epilogue: Callable[[str, str, str], None]) -> None:
    """Write the loops. epilogue(row, column, sum) writes the lines that use up one element.

    split=False leaves the whole product to the calling thread.
    """
    tiles = tiling(spec, machine)
    size = source.size
    sums, sums_at = source.scratch(spec.dtype, ROWS * tiles.width)
    packed = _packs(spec, tiles)
    pack = source.scratch(spec.dtype, DEPTH * tiles.width) if packed else None
    n = size(spec.n)
    panels = f"(({n} + {tiles.width - 1}) // {tiles.width})" if not isinstance(spec.n, int) \
        else str(-(-spec.n // tiles.width))
    _shares(source, panels, size(spec.m), tiles.rows[0], split)
    with source.block("for panel in range(p_lo, p_hi):"):
        source.line(f"j0 = panel * {tiles.width}")
        exact = isinstance(spec.n, int) and spec.n % tiles.width == 0
        width = str(tiles.width) if exact else f"min({tiles.width}, {n} - j0)"
        if isinstance(spec.n, int) and spec.n < tiles.width:
            width = str(spec.n)
        with source.block(f"for r0 in range(r_lo, r_hi, {ROWS}):"):
            source.line(f"rows = min({ROWS}, r_hi - r0)")
            with source.block(f"for k0 in range(0, max({size(spec.k)}, 1), {DEPTH}):"):
                source.line(f"depth = min({DEPTH}, {size(spec.k)} - k0)")
                if pack is not None:
                    _emit_pack(spec, source, tiles, pack, width)
                _emit_tiles(spec, source, tiles, pack, (sums, sums_at))
            with source.block("for r in range(rows):"), source.block(f"for c in range({width}):"):
                source.line(f"acc = {sums}[{sums_at} + r * {tiles.width} + c]")
                epilogue("(r0 + r)", "(j0 + c)", "acc")


def _packs(spec: Contraction, tiles: Tiling) -> bool:
    whole = isinstance(spec.n, int) and spec.n % tiles.width == 0
    return spec.b_strides[1] != 1 or not whole or (isinstance(spec.n, int) and spec.n >= WIDE)


def _shares(source: KernelSource, panels: str, rows: str, tallest: int, split: bool) -> None:
    source.line(f"p_lo, p_hi, r_lo, r_hi = 0, {panels}, 0, {rows}")
    if not split:
        return
    with source.block(f"if {panels} >= threads:"):
        source.line(f"p_lo = {panels} * thread // threads")
        source.line(f"p_hi = {panels} * (thread + 1) // threads")
    with source.block("else:"):
        source.line(f"blocks = ({rows} + {tallest - 1}) // {tallest}")
        source.line(f"r_lo = min({rows}, blocks * thread // threads * {tallest})")
        source.line(f"r_hi = min({rows}, blocks * (thread + 1) // threads * {tallest})")


def _emit_pack(spec: Contraction, source: KernelSource, tiles: Tiling, pack: tuple[str, str], width: str) -> None:
    name, start = pack
    row, column = (source.size(s) for s in spec.b_strides)
    with source.block("for k in range(depth):"):
        with source.block(f"for c in range({width}):"):
            source.line(f"{name}[{start} + k * {tiles.width} + c] = "
                        f"{spec.b}[{spec.b_at} + (k0 + k) * {row} + (j0 + c) * {column}]")
        if width != str(tiles.width):
            with source.block(f"for c in range({width}, {tiles.width}):"):
                source.line(f"{name}[{start} + k * {tiles.width} + c] = {source.constant(0, spec.dtype)}")


def _emit_tiles(spec: Contraction, source: KernelSource, tiles: Tiling, pack: tuple[str, str] | None,
                sums: tuple[str, str]) -> None:
    a_row, a_col = (source.size(s) for s in spec.a_strides)
    b_row = source.size(spec.b_strides[0])
    if pack is not None:
        b = f"{pack[0]}, {pack[1]}, {tiles.width}"
    else:
        b = f"{spec.b}, {spec.b_at} + k0 * {b_row} + j0, {b_row}"
    source.line("r = 0")
    for height in tiles.rows:
        tile = source.tile(spec.dtype, height, tiles.vectors)
        with source.block(f"while r + {height} <= rows:"):
            source.line(f"{tile}({spec.a}, {spec.a_at} + (r0 + r) * {a_row} + k0 * {a_col}, {a_row}, {a_col},")
            source.line(f"    {b}, depth, {sums[0]}, {sums[1]} + r * {tiles.width}, {tiles.width}, k0)")
            source.line(f"r += {height}")
