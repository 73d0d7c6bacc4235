"""Contraction kernels: a matmul cut into tiles of blocks, with the ops fused behind it as its epilogue.

A block makes a tile of the result. Its threads load steps of both operands into shared memory, the next step while they
multiply the last, and each keeps a few sums in registers; the tile then passes through shared memory once more, so
that neighbouring threads run the epilogue on neighbouring columns. In a lower precision a warp multiplies together, on
tensor cores. Movers in front of the operands are strides: the windows of a convolution make it an implicit matrix
product, channels last. A sum may be cut in parts, each of which other blocks make.

What does not live here: products that a library computes (graphc.runtime_cuda), epilogue arithmetic (expressions.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.expressions import Expressions
from graphc.codegen.nests import cost
from graphc.codegen.operands import Operand, operand_of
from graphc.codegen.positions import At, linear, plus, times
from graphc.codegen_cuda.loops import pieces
from graphc.codegen_cuda.source import CudaSource
from graphc.ir.dims import Dim, bind, size_of, symbols
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.ir.spec import Kind
from graphc.ir.types import F32, DType
from graphc.ir.views import Axis, view_of

MULTIPROCESSORS = 132  # of an H200: tiles are as large as still gives each of them one
NOMINAL = 128  # what a symbolic size counts as there
WARP = 32
TENSOR = {"tf32": 8, "bfloat16": 16}  # terms of one tensor-core instruction


@dataclass(frozen=True)
class Tile:
    """rows x columns of the result, `depth` steps of the sum at a time; a thread, or a warp on tensor cores, makes
    high x wide of it."""

    rows: int
    columns: int
    depth: int
    high: int
    wide: int
    workers: int = 1  # threads that make one part together

    @property
    def threads(self) -> int:
        return self.rows // self.high * (self.columns // self.wide) * self.workers


TILES = (Tile(128, 64, 16, 8, 4), Tile(64, 64, 16, 4, 4), Tile(32, 32, 16, 2, 2))
TENSOR_TILES = (Tile(128, 64, 32, 32, 32, WARP), Tile(64, 64, 32, 32, 32, WARP), Tile(32, 32, 32, 16, 16, WARP))


def tile_for(m: Dim, n: Dim, batch: Dim, tiles: tuple[Tile, ...] = TILES) -> Tile:
    """The largest tile that leaves no multiprocessor idle."""
    m, n, batch = (_nominal(d) for d in (m, n, batch))
    for tile in tiles:
        if -(-m // tile.rows) * -(-n // tile.columns) * batch >= MULTIPROCESSORS:
            return tile
    return tiles[-1]


def _nominal(dim: Dim) -> int:
    return int(bind(dim, dict.fromkeys(symbols(dim), NOMINAL)))  # type: ignore[arg-type]


def emit_contract(kernel: Kernel, source: CudaSource, precision: str = "default") -> Emitted:
    """The kernel's body; see the module. precision: tf32 and bfloat16 put float32 products on tensor cores."""
    assert kernel.anchor is not None, "a contraction kernel has an anchor"
    expressions = Expressions(kernel, source)
    for output, input_ in kernel.aliases:
        source.pointer(kernel.outputs[output], alias=kernel.inputs[input_])
    result = kernel.anchor.result.type
    movers = {op.result: op for op in kernel.graph.ops if op.spec.kind is Kind.INDEX}
    m, n, k = *result.shape[-2:], kernel.anchor.operands[0].type.shape[-1]
    batch = result.shape[:-2]
    parts = kernel.anchor.kwargs.get("parts")
    terms = pieces(k, parts) if parts else None
    tensor = result.dtype is F32 and precision in TENSOR
    tile = tile_for(m, n, size_of(batch), TENSOR_TILES if tensor else TILES)
    down, across = pieces(m, tile.rows), pieces(n, tile.columns)
    source.line("tile = index32(cuda.blockIdx.x)")
    source.line(f"col0 = index32(tile % {source.size(across)} * {tile.columns})")
    if batch:
        source.line(f"above = tile // {source.size(across)}")
        source.line(f"row0 = index32(above % {source.size(down)} * {tile.rows})")
        source.line(f"q = above // {source.size(down)}")
    else:
        source.line(f"row0 = index32(tile // {source.size(across)} * {tile.rows})")
    views = [view_of(v, movers, lambda op: False)[0] for v in kernel.anchor.operands]
    a, b = (operand_of(view, () if parts else batch, source) for view in views)
    inner = _Fragments(source, tile, precision) if tensor else _Outer(source, tile, result.dtype)
    product = _Product(source, tile, inner, result.dtype, m, n, k, terms)
    product.emit(a, b)
    with product.each_element() as (row, column, total):
        expressions.fresh()
        expressions.give(kernel.anchor.result, lambda at: total)
        outer = ((batch, "q"),) if batch else ()
        expressions.store_all(kernel.outputs, At((*outer, ((m,), row), ((n,), column))))
    work = size_of((*batch, m, n)) * ((terms or k) * 2 + cost(kernel))
    return source.finish_with(work, size_of((*batch, down, across)), tile.threads)


class _Outer:
    """Products of a thread's rows and columns, one step of the sum after the other.

    sums: (row, column, name) of each sum; the places count from the tile's corner.
    """

    def __init__(self, source: CudaSource, tile: Tile, dtype: DType):
        self.source, self.tile = source, tile
        self.padding = 16 // dtype.itemsize  # keeps rows of the transposed operand in different banks, and aligned
        self.sums = [(f"down + {i}", f"across + {j}", f"c{i}_{j}") for i in range(tile.high) for j in range(tile.wide)]

    def place(self) -> None:
        """This thread's part of the tile."""
        self.source.line(f"down = index32(t // {self.tile.columns // self.tile.wide} * {self.tile.high})")
        self.source.line(f"across = index32(t % {self.tile.columns // self.tile.wide} * {self.tile.wide})")

    def kept(self, text: str) -> str:
        """An element as it lies in shared memory."""
        return text

    def multiply(self, left: _Load, right: _Load) -> None:
        """Add the products of one step of loads."""
        source, tile = self.source, self.tile
        source.line("d = index32(0)")
        with source.block(f"while d < {tile.depth}:"):
            for i in range(tile.high):
                source.line(f"u{i} = {left.at('d', f'down + {i}')}")
            for j in range(tile.wide):
                source.line(f"w{j} = {right.at('d', f'across + {j}')}")
            for i in range(tile.high):
                for j in range(tile.wide):
                    source.line(f"c{i}_{j} = c{i}_{j} + u{i} * w{j}")
            source.line("d = index32(d + 1)")


class _Fragments:
    """Products of a warp's rows and columns on tensor cores: mma.sync m16n8k8 of tf32, m16n8k16 of bfloat16.

    What of the operands and the result a thread holds: PTX ISA, "Matrix Fragments for mma". sums: as of _Outer.
    """

    ROWS, COLUMNS = 16, 8

    def __init__(self, source: CudaSource, tile: Tile, precision: str):
        self.source, self.tile, self.precision = source, tile, precision
        self.depth = TENSOR[precision]
        self.padding = 8 if precision == "tf32" else 4  # the threads of a warp read from 32 different banks
        self.down, self.across = tile.high // self.ROWS, tile.wide // self.COLUMNS
        self.sums = [(f"down + {i * 16 + r // 2 * 8}", f"across + {j * 8 + r % 2}", f"c{i}_{j}_{r}")
                     for i in range(self.down) for j in range(self.across) for r in range(4)]

    def place(self) -> None:
        line, tile = self.source.line, self.tile
        line(f"warp = t // {WARP}")
        line(f"group = t % {WARP} // 4")
        line("member = t % 4")
        line(f"down = index32(warp // {tile.columns // tile.wide} * {tile.high} + group)")
        line(f"over = index32(warp % {tile.columns // tile.wide} * {tile.wide} + group)")
        line("across = index32(over - group + member * 2)")

    def kept(self, text: str) -> str:
        return f"{self.source.function('tf32')}({text})" if self.precision == "tf32" else text

    def multiply(self, left: _Load, right: _Load) -> None:
        source = self.source
        multiply = source.function("mma_tf32" if self.precision == "tf32" else "mma_bfloat16")
        for d in range(0, self.tile.depth, self.depth):
            for i in range(self.down):
                for r, (row, k) in enumerate(((0, 0), (8, 0), (0, 1), (8, 1))):
                    source.line(f"u{i}_{r} = {self._pair(left, d, k, f'down + {i * 16 + row}')}")
            for j in range(self.across):
                for r in range(2):
                    source.line(f"w{j}_{r} = {self._pair(right, d, r, f'over + {j * 8}')}")
            for i in range(self.down):
                for j in range(self.across):
                    sums = ", ".join(f"c{i}_{j}_{r}" for r in range(4))
                    parts = ", ".join([*(f"u{i}_{r}" for r in range(4)), *(f"w{j}_{r}" for r in range(2))])
                    source.line(f"{sums} = {multiply}({parts}, {sums})")

    def _pair(self, load: _Load, d: int, half: int, along: str) -> str:
        """What one register of a fragment holds: a tf32, or two neighbours along the sum as bfloat16."""
        at = d + half * self.depth // 2
        if self.precision == "tf32":
            return load.at(f"member + {at}", along)
        first, second = (load.at(f"member * 2 + {at + i}", along) for i in range(2))
        return f"{self.source.function('bfloat16_pair')}({first}, {second})"


class _Product:
    """The tile of one block while its lines are written."""

    def __init__(self, source: CudaSource, tile: Tile, inner: _Outer | _Fragments, dtype: DType, m: Dim, n: Dim, k: Dim,
                 terms: Dim | None):
        """terms: how many of the k terms one block sums up, those of part q; None: all of them."""
        self.source, self.tile, self.inner, self.dtype = source, tile, inner, dtype
        self.m, self.n, self.k, self.terms = m, n, k, terms

    def emit(self, a: Operand, b: Operand) -> None:
        """Lines up to the end of the sum."""
        source, tile = self.source, self.tile
        source.line("t = index32(cuda.threadIdx.x)")
        self.inner.place()
        left = _Load(self, "a", a, a.rows, a.columns, tile.rows, "row0", self.m,
                     least=tile.rows * tile.columns)
        self.shared = left.shared  # the tile itself lies there when the sums are done
        right = _Load(self, "b", b, b.columns, b.rows, tile.columns, "col0", self.n)
        zero = source.constant(0, self.dtype)
        for _, _, name in self.inner.sums:
            source.line(f"{name} = {zero}")
        loads = (left, right)
        if self.terms is None:
            source.line("k0 = index32(0)")
            self.end = source.size(self.k)
        else:
            self.end, size = "end", source.size(self.k)
            source.line(f"k0 = index32(q * {source.size(self.terms)})")
            source.line(f"end = index32(k0 + {source.size(self.terms)})")
            source.line(f"end = index32(end if end < {size} else {size})")
        for load in loads:
            load.fetch()
        with source.block(f"while k0 < {self.end}:"):
            for load in loads:
                load.share()
            source.barrier()
            source.line(f"k0 = index32(k0 + {tile.depth})")
            for load in loads:
                load.fetch()
            self.inner.multiply(left, right)
            source.barrier()

    def each_element(self) -> _Elements:
        return _Elements(self)


class _Load:
    """One operand on its way into shared memory: element (along, d) of a step lies at d * pitch + along."""

    def __init__(self, product: _Product, letter: str, operand: Operand, along: Axis, depth: Axis, extent: int,
                 first: str, size: Dim, least: int = 0):
        source, tile = product.source, product.tile
        self.source, self.product, self.letter, self.operand = source, product, letter, operand
        self.pitch = extent + product.inner.padding
        self.shared = source.shared(product.dtype, max(tile.depth * self.pitch, least))
        self.depth_axis, self.size = depth, size
        count = extent * tile.depth // tile.threads
        straight = bool(depth) and depth[-1].stride == 1 and not (along and along[-1].stride == 1)
        step = tile.threads // (tile.depth if straight else extent)
        if straight:  # neighbouring threads along the sum
            source.line(f"{letter}d = t % {tile.depth}")
            source.line(f"{letter}r = t // {tile.depth}")
        else:
            source.line(f"{letter}d = t // {extent}")
            source.line(f"{letter}r = t % {extent}")
        self.parts: list[tuple[str, str, str, str]] = []  # place along and in the step; names of its number and offset
        for s in range(count):
            moved = f" + {s * step}" if s else ""
            here, inside = (f"{letter}r{moved}", f"{letter}d") if straight else (f"{letter}r", f"{letter}d{moved}")
            own = s if straight else 0
            if own == s:
                source.line(f"{letter}p{s} = index32({first} + {here})")
                offset = plus(operand.at, linear(f"{letter}p{s}", along, source.size))
                source.line(f"{letter}o{s} = index32({offset})")
            self.parts.append((here, inside, f"{letter}p{own}", f"{letter}o{own}"))
        self.zero = source.constant(0, product.dtype)

    def fetch(self) -> None:
        """Load this thread's elements of the step that begins at k0 into registers; zeros outside."""
        source, size, letter = self.source, self.source.size, self.letter
        for s, (_, inside, number, offset) in enumerate(self.parts):
            source.line(f"{letter}v{s} = {self.zero}")
            source.line(f"{letter}k = index32(k0 + {inside})")
            with source.block(f"if {number} < {size(self.size)} and {letter}k < {self.product.end}:"):
                at = plus(offset, linear(f"{letter}k", self.depth_axis, size))
                source.line(f"{letter}v{s} = {self.operand.name}[{at}]")

    def share(self) -> None:
        for s, (here, inside, _, _) in enumerate(self.parts):
            value = self.product.inner.kept(f"{self.letter}v{s}")
            self.source.line(f"{self.at(inside, here)} = {value}")

    def at(self, d: str, along: str) -> str:
        """Where an element of the step lies."""
        return f"{self.shared}[{times(f'({d})' if ' ' in d else d, str(self.pitch))} + {along}]"


class _Elements:
    """A loop over the tile's elements, neighbouring threads on neighbouring columns; inside of it: one element."""

    def __init__(self, product: _Product):
        self.product = product

    def __enter__(self) -> tuple[str, str, str]:
        source, tile = self.product.source, self.product.tile
        shared = self.product.shared
        for row, column, name in self.product.inner.sums:
            source.line(f"{shared}[({row}) * {tile.columns} + {column}] = {name}")
        source.barrier()
        source.line("e = index32(t)")
        self._loop = source.block(f"while e < {tile.rows * tile.columns}:")
        self._loop.__enter__()
        source.line(f"row = index32(row0 + e // {tile.columns})")
        source.line(f"column = index32(col0 + e % {tile.columns})")
        condition = f"row < {source.size(self.product.m)} and column < {source.size(self.product.n)}"
        self._inside = source.block(f"if {condition}:")
        self._inside.__enter__()
        source.line(f"total = {shared}[e]")
        return "row", "column", "total"

    def __exit__(self, *error: object) -> None:
        self._inside.__exit__(None, None, None)
        self.product.source.line(f"e = index32(e + {self.product.tile.threads})")
        self._loop.__exit__(None, None, None)

