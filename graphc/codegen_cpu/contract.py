"""Blocking around the micro-kernel: panels of columns, chunks of rows, blocks of k, and the epilogue.

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

b is packed into contiguous panels, zeros behind its last column, where its columns do not lie side by
side or the panels do not divide it. A long sum is cut into blocks of DEPTH. Each output element is made
by one thread, in order of k: results do not depend on the number of threads.

What does not live here: the tile (microkernel.py), what the epilogue computes (contractions.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.codegen_cpu.machine import Machine
from graphc.codegen_cpu.positions import plus, times
from graphc.codegen_cpu.source import KernelSource
from graphc.ir.dims import Dim
from graphc.ir.types import DType

SUMS = 3072  # sums kept before the epilogue runs, in elements: they stay in L1
DEPTH = 1024  # rows of b in one block
WIDE = 256  # from this many columns on, b is packed so that its rows do not lie pages apart
HEIGHTS = {(32, 1): (12, 4, 1), (32, 2): (12, 4, 1), (32, 3): (8, 3, 1), (32, 4): (6, 2, 1),
           (16, 1): (12, 4, 1), (16, 2): (6, 2, 1)}  # (registers, vectors): tile heights, tallest first


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
    """Tiles that fill the registers with accumulators and pad the fewest columns, wide ones preferred."""
    lanes = machine.vector_bytes // spec.dtype.itemsize
    choices = [vectors for registers, vectors in HEIGHTS if registers == machine.registers]
    if isinstance(spec.n, int):
        n = spec.n
        vectors = min(choices, key=lambda v: (-(-n // (v * lanes)) * v, -v))
    else:
        vectors = 2
    return Tiling(HEIGHTS[machine.registers, vectors], vectors, vectors * lanes)


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
    tiles = tiling(spec, machine)
    chunk = max(1, SUMS // tiles.width // tiles.rows[0]) * tiles.rows[0]
    if epilogue is None and isinstance(spec.n, int) and spec.n % tiles.width == 0:
        sums = Sums(out[0], plus(out[1], f"r0 * {spec.n}", "j0"), spec.n)
    else:
        sums = Sums(*source.scratch(spec.dtype, chunk * tiles.width), tiles.width)
    pack = source.scratch(spec.dtype, _depth(spec) * tiles.width) if _packs(spec, tiles) else None
    n = source.size(spec.n)
    panels = str(-(-spec.n // tiles.width)) if isinstance(spec.n, int) \
        else f"(({n} + {tiles.width - 1}) // {tiles.width})"
    width = _width(spec, tiles, n)
    _shares(source, panels, source.size(spec.m), tiles.rows[1], split)
    with source.block("for panel in range(p_lo, p_hi):"):
        source.line(f"j0 = panel * {tiles.width}")
        if pack is not None and not _blocked(spec):
            source.line(f"depth = {source.size(spec.k)}")
            _emit_pack(spec, source, tiles, pack, width, "0")
        with source.block(f"for r0 in range(r_lo, r_hi, {chunk}):"):
            source.line(f"rows = min({chunk}, r_hi - r0)")
            _emit_sums(spec, source, tiles, pack, sums, width)
            if sums.name != out[0]:
                _emit_epilogue(source, sums, width, epilogue or _store_in(source, out, n))


def _emit_epilogue(source: KernelSource, sums: Sums, width: str, epilogue: Callable[[str, str, str], None]) -> None:
    with source.block("for r in range(rows):"), source.block(f"for c in range({width}):"):
        source.line(f"acc = {sums.name}[{sums.start} + r * {sums.stride} + c]")
        epilogue("(r0 + r)", "(j0 + c)", "acc")


def _store_in(source: KernelSource, out: tuple[str, str], n: str) -> Callable[[str, str, str], None]:
    return lambda row, column, total: source.line(f"{out[0]}[{plus(out[1], times(row, n), column)}] = {total}")


def _emit_sums(spec: Contraction, source: KernelSource, tiles: Tiling, pack: tuple[str, str] | None,
               sums: Sums, width: str) -> None:
    """One chunk of rows: over all of k at once, or block by block."""
    if not _blocked(spec):
        source.line(f"depth = {source.size(spec.k)}")
        _emit_tiles(spec, source, tiles, pack, sums, "0")
        return
    with source.block(f"for k0 in range(0, max({source.size(spec.k)}, 1), {DEPTH}):"):
        source.line(f"depth = min({DEPTH}, {source.size(spec.k)} - k0)")
        if pack is not None:
            _emit_pack(spec, source, tiles, pack, width, "k0")
        _emit_tiles(spec, source, tiles, pack, sums, "k0")


def _blocked(spec: Contraction) -> bool:
    return not isinstance(spec.k, int) or spec.k > DEPTH


def _depth(spec: Contraction) -> int:
    return spec.k if isinstance(spec.k, int) and spec.k <= DEPTH else DEPTH


def _width(spec: Contraction, tiles: Tiling, n: str) -> str:
    """Columns of a panel that exist, as text."""
    if isinstance(spec.n, int) and spec.n % tiles.width == 0:
        return str(tiles.width)
    if isinstance(spec.n, int) and spec.n < tiles.width:
        return str(spec.n)
    return f"min({tiles.width}, {n} - j0)"


def _packs(spec: Contraction, tiles: Tiling) -> bool:
    whole = isinstance(spec.n, int) and spec.n % tiles.width == 0
    return spec.b_strides[1] != 1 or not whole or (isinstance(spec.n, int) and spec.n >= WIDE)


def _shares(source: KernelSource, panels: str, rows: str, grain: int, split: bool) -> None:
    source.line(f"p_lo, p_hi, r_lo, r_hi = 0, {panels}, 0, {rows}")
    if not split:
        return
    with source.block(f"if {panels} >= threads:"):
        source.line(f"p_lo = {panels} * thread // threads")
        source.line(f"p_hi = {panels} * (thread + 1) // threads")
    with source.block("else:"):
        source.line(f"blocks = ({rows} + {grain - 1}) // {grain}")
        source.line(f"r_lo = min({rows}, blocks * thread // threads * {grain})")
        source.line(f"r_hi = min({rows}, blocks * (thread + 1) // threads * {grain})")


def _emit_pack(spec: Contraction, source: KernelSource, tiles: Tiling, pack: tuple[str, str], width: str,
               k0: str) -> None:
    name, start = pack
    row, column = (source.size(s) for s in spec.b_strides)
    base = plus(spec.b_at, times(k0, row), times("j0", column))
    if spec.b_strides[0] == 1 and width == str(tiles.width):
        lanes = tiles.width // tiles.vectors
        turn = source.vector_function("transposed", spec.dtype)
        source.line("k = 0")
        with source.block(f"while k + {lanes} <= depth:"):
            with source.block(f"for c in range(0, {tiles.width}, {lanes}):"):
                source.line(f"{turn}({spec.b}, {plus(base, times('c', column), 'k')}, {column}, "
                            f"{name}, {start} + k * {tiles.width} + c, {tiles.width})")
            source.line(f"k += {lanes}")
        head = "for k in range(k, depth):"
    else:
        head = "for k in range(depth):"
    with source.block(head):
        with source.block(f"for c in range({width}):"):
            source.line(f"{name}[{start} + k * {tiles.width} + c] = "
                        f"{spec.b}[{plus(base, times('k', row), times('c', column))}]")
        if width != str(tiles.width):
            with source.block(f"for c in range({width}, {tiles.width}):"):
                source.line(f"{name}[{start} + k * {tiles.width} + c] = {source.constant(0, spec.dtype)}")


def _emit_tiles(spec: Contraction, source: KernelSource, tiles: Tiling, pack: tuple[str, str] | None,
                sums: Sums, k0: str) -> None:
    a_row, a_col = (source.size(s) for s in spec.a_strides)
    b_row = source.size(spec.b_strides[0])
    if pack is not None:
        b = f"{pack[0]}, {pack[1]}, {tiles.width}"
    else:
        b = f"{spec.b}, {plus(spec.b_at, times(k0, b_row), 'j0')}, {b_row}"
    source.line("r = 0")
    for height in tiles.rows:
        tile = source.tile(spec.dtype, height, tiles.vectors)
        with source.block(f"while r + {height} <= rows:"):
            at = plus(spec.a_at, times("(r0 + r)", a_row), times(k0, a_col))
            source.line(f"{tile}({spec.a}, {at}, {a_row}, {a_col}, 0,")
            source.line(f"    {b}, 1, depth, {sums.name}, {sums.start} + r * {sums.stride}, {sums.stride}, {k0})")
            source.line(f"r += {height}")
