"""Plain loop kernels: every element of the outputs by itself, by one thread.

relu(x + b) over [B,64] becomes, four neighbouring elements a thread:

    g = index32(cuda.blockIdx.x * 256 + cuda.threadIdx.x)
    if g < index32(n0 * 16):
        i0 = quotient(g, 16)
        i1 = index32(rest(g, 16) * 4)
        a0, a1, a2, a3 = load4(p0, i0 * 64 + i1)
        b0, b1, b2, b3 = load4(p1, i1)
        ...
        store4(p2, i0 * 64 + i1, y0, y1, y2, y3)

where every array is read along the last axis or not at all, so that four numbers of 32 bits are one access of 128
bits; elsewhere one element a thread.

What does not live here: reductions (folds.py), contractions (contractions.py).
"""

from __future__ import annotations

from graphc.codegen.expressions import Expressions
from graphc.codegen.nests import collapsed, cost, walks_straight
from graphc.codegen.positions import At
from graphc.codegen_cuda.source import CudaSource
from graphc.ir.dims import Dim, Shape, SymExpr, size_of
from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted

THREADS = 256
TOGETHER = 4  # neighbouring elements of one thread


def emit_loop(kernel: Kernel, source: CudaSource) -> Emitted:
    """The kernel's body; see the module."""
    for output, input_ in kernel.aliases:
        source.pointer(kernel.outputs[output], alias=kernel.inputs[input_])
    blocks = collapsed(kernel)
    sizes = [size_of(block) for block in blocks]
    total = size_of(kernel.nest.domain)
    wide = bool(blocks) and walks_straight(kernel) and _divides(sizes[-1], TOGETHER)
    count = size_of((*sizes[:-1], _divided(sizes[-1], TOGETHER))) if wide else total
    source.line(f"g = index32(cuda.blockIdx.x * {THREADS} + cuda.threadIdx.x)")
    with source.block(f"if g < {source.size(count)}:"):
        texts = split_index(source, "g", [*sizes[:-1], _divided(sizes[-1], TOGETHER)] if wide else sizes)
        if wide:
            source.line(f"j = index32({texts[-1]} * {TOGETHER})")
            _four_at_a_time(kernel, source, blocks, texts[:-1])
        else:
            Expressions(kernel, source).store_all(kernel.outputs, At(tuple(zip(blocks, texts, strict=True))))
    return source.finish_with(total * cost(kernel), pieces(count, THREADS), THREADS)


def _four_at_a_time(kernel: Kernel, source: CudaSource, blocks: list[Shape], texts: list[str]) -> None:
    expressions = _Together(kernel, source)
    stored: dict[Value, list[str]] = {value: [] for value in kernel.outputs}
    places: dict[Value, str] = {}
    for lane in range(TOGETHER):
        expressions.fresh()
        last = f"j + {lane}" if lane else "j"
        at = At(tuple(zip(blocks, [*texts, last], strict=True)))
        for value in kernel.outputs:
            stored[value].append(expressions.value(value, at.fitted(value.type.shape, source.size)))
            if not lane:
                places[value] = at.fitted(value.type.shape, source.size).flat(source.size)
    for value in kernel.outputs:
        pointer, names = source.written(source.pointer(value)), ", ".join(stored[value])
        source.line(f"{source.function('store4')}({pointer}, {places[value]}, {names})")


class _Together(Expressions):
    """Elements of four neighbours: what lies at neighbouring places is loaded at once."""

    def __init__(self, kernel: Kernel, source: CudaSource):
        super().__init__(kernel, source)
        self._loads: dict[tuple[Value, str], list[str]] = {}

    def _load(self, value: Value, at: At) -> str:
        text = at.flat(self.source.size)
        front, lane = _place(text)
        if front is None:
            return super()._load(value, at)
        key = value, front
        if key not in self._loads:
            names = [self.source.name() for _ in range(TOGETHER)]
            call = self.source.function("load4")
            self.source.line(f"{', '.join(names)} = {call}({self.source.pointer(value)}, {front})")
            self._loads[key] = names
        return self._loads[key][lane]


def _place(text: str) -> tuple[str | None, int]:
    """An element number that ends with `j` or `j + lane`: the first one of the four, and which this is."""
    for lane in range(1, TOGETHER):
        if text.endswith(f"j + {lane}"):
            return text.removesuffix(f" + {lane}"), lane
    return (text, 0) if text == "j" or text.endswith(" j") else (None, 0)


def split_index(source: CudaSource, index: str, sizes: list[Dim]) -> list[str]:
    """One index per size, of the number `index` that counts through all of them; lines for the divisions."""
    texts: list[str] = []
    rest = index
    for i in range(len(sizes) - 1, -1, -1):
        size = sizes[i]
        if size == 1:
            texts.insert(0, "0")
            continue
        if all(s == 1 for s in sizes[:i]):
            texts.insert(0, rest)
            rest = "0"
            continue
        name = f"i{i}"
        source.line(f"{name} = {rest} % {source.size(size)}")
        if i:
            before = source.name("q")
            source.line(f"{before} = {rest} // {source.size(size)}")
            rest = before
        texts.insert(0, name)
    return texts


def pieces(count: Dim, size: int) -> Dim:
    """How many pieces of `size` hold `count`."""
    return (count + (size - 1)) // size


def _divides(size: Dim, by: int) -> bool:
    """Whether a size is a multiple, whatever its symbols are."""
    if isinstance(size, SymExpr):
        return all(coefficient % by == 0 for _, coefficient in size.terms)
    return size % by == 0


def _divided(size: Dim, by: int) -> Dim:
    return size // by
