"""Kernels of Winograd's convolutions: transforms around small products of matrices, a block of tiles at a time.

    for t0 in range(lo, hi, 48):                      # this thread's tiles, 48 at a time
        for t in range(count):
            input transform                           # a patch of x, zeros around x, into seen[point][t][c]
        for panel in range(2):                        # 64 filters at a time
            for p in range(36):
                tiles of the micro-kernel             # made[p] = seen[p] @ u[p]
            for t in range(count):
                output transform                      # 4 x 4 sums of each filter
                the epilogue, row by row              # vectorised over filters

The transformed block and its products stay in the L2 cache; x is read and the result written once. Every tile is made
by one thread in the same order of operations: results do not depend on the number of threads.

What does not live here: the transforms (transforms.py), the products (microkernel.py), when it pays
(passes/rules_winograd.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from math import prod

from graphc.codegen.expressions import Expressions
from graphc.codegen.nests import cost
from graphc.codegen.positions import At, plus, times
from graphc.codegen_cpu.machine import host
from graphc.codegen_cpu.source import KernelSource
from graphc.codegen_cpu.tilings import Tiling, tiling
from graphc.ir.dims import Dim, size_of
from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel
from graphc.ir.ops_winograd import SIZE, TILE
from graphc.ir.program import Emitted

BLOCKS = (48, 24, 12)  # how many tiles may be kept at a time: multiples of most of the micro-kernel's heights
APART = 16  # elements between the points of a block, so that they do not fall on the same lines of a cache


@dataclass(frozen=True)
class _Points:
    """A block in scratch memory: element c of row t at a point lies at start + point * stride + t * width + c."""

    name: str
    start: str
    stride: int
    width: int


def emit_winograd(kernel: Kernel, source: KernelSource) -> Emitted:
    """The kernel's body for the anchor winograd(x, u), with its epilogue."""
    anchor = kernel.anchor
    assert anchor is not None, "a contraction kernel has an anchor"
    expressions = Expressions(kernel, source)
    for output, input_ in kernel.aliases:
        source.pointer(kernel.outputs[output], alias=kernel.inputs[input_])
    x, u = anchor.operands
    pool = anchor.attr("pool")
    grid = _Tiles(source, x, anchor.result, anchor.attr("low"), pool)
    channels, filters = x.type.shape[-1], anchor.result.type.shape[-1]
    assert isinstance(channels, int), "the sizes of weights are known"
    assert isinstance(filters, int), "the sizes of weights are known"
    tiles = tiling(filters, x.type.dtype, host())
    seen, made = grid.points(channels, tiles.width)
    patch = source.scratch(x.type.dtype, TILE ** grid.axes * tiles.width)
    weights = source.pointer(u)
    source.line(f"lo = {grid.count} * thread // threads")
    source.line(f"hi = {grid.count} * (thread + 1) // threads")
    with grid.blocks("lo", "hi"):
        grid.emit_input(x, seen)
        with source.block(f"for j0 in range(0, {filters}, {tiles.width}):"):
            with source.block(f"for p in range({grid.number}):"):
                _products(source, tiles, x, (seen.name, f"{seen.start} + p * {seen.stride}", str(channels), "1"),
                          "count", (weights, f"p * {channels * filters} + j0", str(filters)), str(channels),
                          (made.name, f"{made.start} + p * {made.stride}", tiles.width))
            with source.block("for t in range(count):"):
                grid.emit_place()
                grid.emit_transform("output", made.name, f"{made.start} + t * {made.width}",
                                    grid.strides(SIZE, made.stride), *patch, grid.strides(TILE, made.width),
                                    made.width)
                with grid.inside(), source.block(f"for c in range({_filled(filters, tiles.width)}):"):
                    grid.emit_largest("acc", patch, tiles.width)
                    expressions.fresh()
                    expressions.give(anchor.result, lambda at: "acc")
                    expressions.store_all(kernel.outputs, grid.at("(j0 + c)", filters))
    each = prod(pool) * channels * SIZE ** grid.axes // TILE ** grid.axes // 2
    work = size_of(anchor.result.type.shape) * (each + cost(kernel))
    return source.finish(work, grid=grid.total)


def _filled(filters: int, width: int) -> str:
    return str(width) if filters % width == 0 else f"min({width}, {filters} - j0)"


def emit_winograd_gradient(kernel: Kernel, source: KernelSource) -> Emitted:
    """The kernel's body for the anchor winograd_gradient(x, g): the sums of each share of the tiles."""
    anchor = kernel.anchor
    assert anchor is not None, "a contraction kernel has an anchor"
    assert kernel.outputs == (anchor.result,), "sums of shares have no epilogue"
    x, g = anchor.operands
    grid = _Tiles(source, x, g, anchor.attr("low"), (1,) * len(anchor.attr("low")))
    channels, filters = x.type.shape[-1], g.type.shape[-1]
    assert isinstance(channels, int), "the sizes of weights are known"
    assert isinstance(filters, int), "the sizes of weights are known"
    tiles = tiling(filters, x.type.dtype, host())
    seen, told = grid.points(channels, filters)
    out, shares = source.pointer(anchor.result), anchor.attr("shares")
    source.line(f"lo = {shares} * thread // threads")
    source.line(f"hi = {shares} * (thread + 1) // threads")
    with source.block("for q in range(lo, hi):"):
        source.line(f"first = {grid.count} * q // {shares}")
        source.line(f"last = {grid.count} * (q + 1) // {shares}")
        size = grid.number * channels * filters
        with source.block("if first == last:"), source.block(f"for i in range({size}):"):
            source.line(f"{out}[q * {size} + i] = {source.constant(0, x.type.dtype)}")
        with grid.blocks("first", "last"):
            grid.emit_input(x, seen)
            grid.emit_cotangent(g, told)
            with source.block(f"for p in range({grid.number}):"), \
                    source.block(f"for j0 in range(0, {filters}, {tiles.width}):"):
                at = f"(q * {grid.number} + p) * {channels * filters} + j0"
                _products(source, tiles, x, (seen.name, f"{seen.start} + p * {seen.stride}", "1", str(channels)),
                          str(channels), (told.name, f"{told.start} + p * {told.stride} + j0", str(filters)), "count",
                          (out, at, filters), "t0 - first")
    work = size_of(x.type.shape) * (filters * SIZE ** grid.axes // TILE ** grid.axes // 2)
    return source.finish(work, grid=shares)


def _products(source: KernelSource, tiles: Tiling, x: Value, a: tuple[str, str, str, str], rows: str,
              b: tuple[str, str, str], depth: str, out: tuple[str, str, int], add: str = "0") -> None:
    """out (+)= a @ b: a's pointer, start, strides of rows and columns; b's and out's pointer, start, stride of rows."""
    name, start, row, column = a
    source.line("r = 0")
    for height in tiles.rows:
        tile = source.tile(x.type.dtype, height, tiles.vectors)
        with source.block(f"while r + {height} <= {rows}:"):
            source.line(f"{tile}({name}, {start} + {times('r', row)}, {row}, {column}, 0, {', '.join(b)},")
            source.line(f"    1, {depth}, {out[0]}, {out[1]} + r * {out[2]}, {out[2]}, {add})")
            source.line(f"r += {height}")


class _Tiles:
    """The tiles of a batch: how many there are, and where the one numbered t0 + t lies.

    y is the result, or the cotangent, of which each element stands for `pool` outputs along each axis.
    """

    def __init__(self, source: KernelSource, x: Value, y: Value, low: tuple[Dim, ...], pool: tuple[int, ...]):
        self.source, self.x, self.dtype = source, x, x.type.dtype
        self.axes = len(low)
        self.number = SIZE ** self.axes
        self.low = [source.size(dim) for dim in low]
        self.extents = [source.size(dim) for dim in x.type.shape[1:-1]]
        self.pool = pool
        self.items, self.outputs = y.type.shape[0], y.type.shape[1:-1]
        self.places = [source.size(dim) for dim in self.outputs]
        self.each = [TILE // p for p in pool]
        counts = [(dim + each - 1) // each for dim, each in zip(self.outputs, self.each, strict=True)]
        self.along = [source.size(dim) for dim in counts]
        self.total = size_of((self.items, *counts))
        self.count = source.size(self.total, runtime=True)
        self.block = BLOCKS[-1]

    def points(self, *widths: int) -> list[_Points]:
        """Room for blocks of tiles of these widths; they are as large as may stay in half of the L2 cache."""
        each = self.number * sum(widths) * self.dtype.itemsize
        self.block = next((block for block in BLOCKS if block * each <= host().l2_bytes // 2), BLOCKS[-1])
        strides = [self.block * width + APART for width in widths]
        return [_Points(*self.source.scratch(self.dtype, self.number * stride), stride, width)
                for stride, width in zip(strides, widths, strict=True)]

    def strides(self, count: int, step: int) -> list[str]:
        """How far apart the elements of a patch of `count` along each axis lie whose last axis has this step."""
        return [str(count ** (self.axes - 1 - axis) * step) for axis in range(self.axes)]

    @contextmanager
    def blocks(self, low: str, high: str) -> Iterator[None]:
        """The tiles from low to high, `count` of them at a time."""
        with self.source.block(f"for t0 in range({low}, {high}, {self.block}):"):
            self.source.line(f"count = min({self.block}, {high} - t0)")
            yield

    def emit_place(self) -> None:
        """The item of tile t0 + t, and o0, o1: its first outputs."""
        source = self.source
        rest = "(t0 + t)"
        for axis in reversed(range(self.axes)):
            source.line(f"o{axis} = {rest} % {self.along[axis]} * {TILE}")
            source.line(f"rest{axis} = {rest} // {self.along[axis]}")
            rest = f"rest{axis}"
        source.line(f"item = {rest}")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Loops i0, i1 over the elements of y that a tile holds."""
        with ExitStack() as loops:
            for axis in range(self.axes):
                each = self.each[axis]
                first = f"o{axis}" if each == TILE else f"o{axis} // {self.pool[axis]}"
                loops.enter_context(self.source.block(
                    f"for i{axis} in range(min({each}, {self.places[axis]} - {first})):"))
            yield

    def emit_largest(self, name: str, patch: tuple[str, str], width: int) -> None:
        """The largest of the outputs of a patch that element i0, i1 of y stands for, of filter c."""
        source, terms = self.source, []
        for offset in product(*map(range, self.pool)):
            place = [plus(times(f"i{axis}", str(p)), str(d)) for axis, (p, d) in
                     enumerate(zip(self.pool, offset, strict=True))]
            steps = self.strides(TILE, width)
            at = plus(*(times(f"({text})" if " " in text else text, step)
                        for text, step in zip(place, steps, strict=True)), "c")
            terms.append(f"{patch[0]}[{patch[1]} + {at}]")
        largest = terms[0]
        for term in terms[1:]:
            largest = f"{source.use('vmath', 'maximum')}({largest}, {term})"
        source.line(f"{name} = {largest}")

    def within(self, count: int) -> list[str]:
        """The terms of the number of element i0, i1 of a patch."""
        return [times(f"i{axis}", str(count ** (self.axes - 1 - axis))) for axis in range(self.axes)]

    def at(self, filter_: str, filters: int) -> At:
        """Element i0, i1 of the tile at hand, of one filter."""
        along = tuple(((dim,), f"(o{axis} + i{axis})" if p == 1 else f"(o{axis} // {p} + i{axis})")
                      for axis, (dim, p) in enumerate(zip(self.outputs, self.pool, strict=True)))
        return At((((self.items,), "item"), *along, ((filters,), filter_)))

    def emit_input(self, x: Value, seen: _Points) -> None:
        """The transformed patches of x: where they lie in memory, or from a copy with the zeros around x."""
        self._emit_patches(x, "input", SIZE, self.extents, self.low, seen)

    def emit_cotangent(self, g: Value, told: _Points) -> None:
        self._emit_patches(g, "cotangent", TILE, self.places, ["0"] * self.axes, told)

    def _emit_patches(self, x: Value, kind: str, size: int, extents: list[str], low: list[str],
                      points: _Points) -> None:
        source, width = self.source, points.width
        pointer = source.pointer(x)
        copy = source.scratch(self.dtype, size ** self.axes * width)
        with source.block("for t in range(count):"):
            self.emit_place()
            for axis in range(self.axes):
                source.line(f"s{axis} = o{axis} - {low[axis]}")
            whole = [f"s{axis} >= 0 and s{axis} + {size} <= {extents[axis]}" for axis in range(self.axes)]
            start = "item"
            for axis in range(self.axes):
                start = f"({start} * {extents[axis]} + s{axis})"
            out_at, out_strides = f"{points.start} + t * {width}", self.strides(SIZE, points.stride)
            with source.block(f"if {' and '.join(whole)}:"):
                steps = [f"{' * '.join([*extents[axis + 1:], str(width)])}" for axis in range(self.axes)]
                self.emit_transform(kind, pointer, f"{start} * {width}", steps, points.name, out_at, out_strides,
                                    width)
            with source.block("else:"):
                self._emit_copy(pointer, size, extents, width, *copy)
                self.emit_transform(kind, *copy, self.strides(size, width), points.name, out_at, out_strides, width)

    def _emit_copy(self, pointer: str, size: int, extents: list[str], width: int, name: str, start: str) -> None:
        """The patch at s0, s1 with zeros where it leaves x."""
        source = self.source
        with ExitStack() as loops:
            where = "item"
            for axis in range(self.axes):
                loops.enter_context(source.block(f"for i{axis} in range({size}):"))
                where = f"({where} * {extents[axis]} + s{axis} + i{axis})"
            inside = " and ".join(f"0 <= s{axis} + i{axis} < {extents[axis]}" for axis in range(self.axes))
            to = f"{name}[{start} + ({' + '.join(self.within(size))}) * {width} + c]"
            with source.block(f"if {inside}:"), source.block(f"for c in range({width}):"):
                source.line(f"{to} = {pointer}[{where} * {width} + c]")
            with source.block("else:"), source.block(f"for c in range({width}):"):
                source.line(f"{to} = {source.constant(0, self.dtype)}")

    def emit_transform(self, kind: str, src: str, src_at: str, src_strides: list[str], out: str, out_at: str,
                       out_strides: list[str], width: int) -> None:
        """The transform for all channels; the last vector overlaps the one before where it must."""
        source, lanes = self.source, host().vector_bytes // self.dtype.itemsize
        name = source.transform(kind, self.axes, self.dtype)
        with source.block(f"for v in range({-(-width // lanes)}):"):
            source.line(f"c = v * {lanes}" if width % lanes == 0 else f"c = min(v * {lanes}, {width - lanes})")
            source.line(f"{name}({src}, {plus(src_at, 'c')}, {', '.join(src_strides)}, "
                        f"{out}, {plus(out_at, 'c')}, {', '.join(out_strides)}, {width})")


