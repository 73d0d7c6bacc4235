"""The transforms of Winograd's convolutions as explicit vector code, one vector of channels at a time.

    input     6 elements along each axis to 6   (B applied)
    output    6 to 4                            (A' applied)
    cotangent 4 to 6                            (A applied)

with the matrices of graphc.ir.ops_winograd, whose rows share sums: 12 operations along an axis for an input, 10 for an
output. Where tens of streams are read and written, plain loops would be neither vectorised nor kept in registers.

What does not live here: which tiles (winograd.py), the products between the transforms (microkernel.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from graphc.codegen_cpu.machine import host
from graphc.ir.ops_winograd import TILE

INT = ir.IntType(64)


def prefetch(builder: ir.IRBuilder, pointer: Any, *, write: bool) -> None:
    """Ask the cache for the line at a pointer."""
    byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
    name = "llvm.prefetch.p0"
    known = builder.module.globals.get(name) or ir.Function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte, word, word, word]), name)
    builder.call(known, [builder.bitcast(pointer, byte), *(ir.Constant(word, v) for v in (int(write), 3, 1))])


class _Arithmetic:
    """Vectors of channels in an LLVM function."""

    def __init__(self, builder: ir.IRBuilder, scalar: ir.Type, lanes: int):
        self.b, self.vector = builder, ir.VectorType(scalar, lanes)
        self.lanes = lanes
        kind = "f32" if isinstance(scalar, ir.FloatType) else "f64"
        name = f"llvm.fma.v{lanes}{kind}"
        self._fma = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(self.vector, [self.vector] * 3), name)

    def add(self, x: Any, y: Any) -> Any:
        return self.b.fadd(x, y)

    def sub(self, x: Any, y: Any) -> Any:
        return self.b.fsub(x, y)

    def fma(self, factor: float, x: Any, y: Any) -> Any:
        """factor * x + y."""
        return self.b.call(self._fma, [ir.Constant(self.vector, [factor] * self.lanes), x, y])

    def pointer(self, base: Any, start: Any, strides: Sequence[Any], place: Sequence[int]) -> Any:
        for stride, count in zip(strides, place, strict=True):
            start = self.b.add(start, self.b.mul(stride, ir.Constant(INT, count)))
        return self.b.bitcast(self.b.gep(base, [start]), self.vector.as_pointer())

    def load(self, pointer: Any) -> Any:
        loaded = self.b.load(pointer)
        loaded.align = 4
        return loaded

    def store(self, value: Any, pointer: Any) -> None:
        self.b.store(value, pointer).align = 4


Line = Callable[[_Arithmetic, list[Any]], list[Any]]


def _input(m: _Arithmetic, x: list[Any]) -> list[Any]:
    even, odd = m.fma(-4.0, x[2], x[4]), m.fma(-4.0, x[1], x[3])
    outer, twice = m.sub(x[4], x[2]), m.sub(x[3], x[1])
    return [m.fma(4.0, x[0], m.fma(-5.0, x[2], x[4])), m.add(even, odd), m.sub(even, odd),
            m.fma(2.0, twice, outer), m.fma(-2.0, twice, outer), m.fma(4.0, x[1], m.fma(-5.0, x[3], x[5]))]


def _output(m: _Arithmetic, y: list[Any]) -> list[Any]:
    ones, minus = m.add(y[1], y[2]), m.sub(y[1], y[2])
    twos, minus_twos = m.add(y[3], y[4]), m.sub(y[3], y[4])
    return [m.add(m.add(y[0], ones), twos), m.fma(2.0, minus_twos, minus), m.fma(4.0, twos, ones),
            m.add(m.fma(8.0, minus_twos, minus), y[5])]


def _cotangent(m: _Arithmetic, g: list[Any]) -> list[Any]:
    even, odd = m.add(g[0], g[2]), m.add(g[1], g[3])
    even_2, odd_2 = m.fma(4.0, g[2], g[0]), m.fma(4.0, g[3], g[1])
    return [g[0], m.add(even, odd), m.sub(even, odd), m.fma(2.0, odd_2, even_2), m.fma(-2.0, odd_2, even_2), g[3]]


_LINES: dict[str, tuple[int, Line]] = {"input": (6, _input), "output": (6, _output), "cotangent": (4, _cotangent)}
_READ_BLOCK = ("output",)  # whose source is the block of points; the others write there
COMING = 3  # how many tiles ahead what a transform reads of x is prefetched


@cache
def transform(kind: str, axes: int, dtype: str) -> Any:
    """For 2 axes transform(src, src_at, s0, s1, out, out_at, o0, o1, ahead): element [i,j] of the patch lies at
    src_at + i * s0 + j * s1, that of the result at out_at + i * o0 + j * o1, for `lanes` channels side by side.

    For 1 axis s0 and o0 are left out. All is read before anything is written. Of the block of points, whose 36 places
    lie far apart, those `ahead` elements further, where the next tile will be, are prefetched; and so is what a later
    tile will read of x.
    """
    scalar = ir.FloatType() if dtype == "f32" else ir.DoubleType()
    lanes = host().vector_bytes // (4 if dtype == "f32" else 8)

    def result_of(given: Sequence[Any]) -> tuple[Any, Any]:
        plain = [types.unliteral(t) for t in given]
        words = [t if isinstance(t, types.CPointer) else types.int64 for t in plain]

        def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            _emit(_Arithmetic(builder, scalar, lanes), kind, axes, *arguments)
            return context.get_dummy_value()

        return types.void(*words), generate

    if axes == 1:
        @intrinsic
        def one(typingctx, src, src_at, s, out, out_at, o, ahead):
            return result_of((src, src_at, s, out, out_at, o, ahead))
        return one

    @intrinsic
    def two(typingctx, src, src_at, s0, s1, out, out_at, o0, o1, ahead):
        return result_of((src, src_at, s0, s1, out, out_at, o0, o1, ahead))
    return two


def _emit(m: _Arithmetic, kind: str, axes: int, *arguments: Any) -> None:
    src, src_at, *strides = arguments[:2 + axes]
    out, out_at, *out_strides = arguments[2 + axes:-1]
    ahead = arguments[-1]
    count, line = _LINES[kind]
    places = list(product(range(count), repeat=axes))
    patch = {place: m.load(m.pointer(src, src_at, strides, place)) for place in places}
    reads_block = kind in _READ_BLOCK
    if reads_block:
        _prefetch_all(m, src, m.b.add(src_at, ahead), strides, places, write=False)
    else:
        coming = m.b.add(src_at, m.b.mul(strides[-1], ir.Constant(INT, TILE * COMING)))
        _prefetch_all(m, src, coming, strides, [p for p in places if p[-1] >= count - TILE], write=False)
    for axis in range(axes):
        patch = _along(m, patch, axis, line)
    for place, value in patch.items():
        m.store(value, m.pointer(out, out_at, out_strides, place))
    if not reads_block:
        _prefetch_all(m, out, m.b.add(out_at, ahead), out_strides, list(patch), write=True)


def _prefetch_all(m: _Arithmetic, base: Any, start: Any, strides: Sequence[Any], places: Sequence[Sequence[int]], *,
                  write: bool) -> None:
    for place in places:
        prefetch(m.b, m.pointer(base, start, strides, place), write=write)


def _along(m: _Arithmetic, patch: dict[tuple[int, ...], Any], axis: int, line: Line) -> dict[tuple[int, ...], Any]:
    """The transform applied to every line of the patch along an axis."""
    lines: dict[tuple[int, ...], list[Any]] = {}
    for place in sorted(patch):
        lines.setdefault((*place[:axis], *place[axis + 1:]), []).append(patch[place])
    return {(*rest[:axis], i, *rest[axis:]): value for rest, line_ in lines.items()
            for i, value in enumerate(line(m, line_))}
