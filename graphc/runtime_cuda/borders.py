"""Zeros around the images of a convolution, and between their elements: a library puts them there itself.

For our own kernels a kernel of movers stores an image with its zeros (`pad`; in the gradient of a strided convolution
`spread` in front of it). Where a library's calls read the image itself, that kernel need not run.

What does not live here: convolutions (convolutions.py), who decides that a kernel need not run (libraries.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.dims import Dim, Shape
from graphc.ir.graph import Op, Value
from graphc.ir.kernel import Kernel, KernelKind
from graphc.ir.program import MemoryPlan
from graphc.ir.spec import Kind
from graphc.ir.views import packed
from graphc.runtime_cuda.forms import Movers, movers_of, seen_through


@dataclass(frozen=True, eq=False)
class Border:
    """maker: the kernel that stores the image with its zeros; value: the image that it reads, of this shape; low, high:
    zeros along each spatial axis; apart: how far the image's elements are from each other."""

    maker: Kernel
    value: Value
    shape: Shape
    low: tuple[Dim, ...]
    high: tuple[Dim, ...]
    apart: tuple[int, ...]


def border_of(value: Value, memory: MemoryPlan) -> Border | None:
    """What a stored value is an image with zeros of, if a kernel makes it of nothing else."""
    kernels = memory.kernels
    maker = next((kernel for kernel in kernels.kernels if value in kernel.outputs), None)
    if maker is None or maker.kind is not KernelKind.LOOP or maker.outputs != (value,) or maker.in_place \
            or value in kernels.graph.outputs or any(op.spec.kind is not Kind.INDEX for op in maker.graph.ops):
        return None
    movers = movers_of(maker)
    pad = movers[value]
    if pad.name != "pad" or pad.attr("value") != 0:
        return None
    (items, *low, channels), high = pad.attr("low"), pad.attr("high")
    if (items, channels, high[0], high[-1]) != (0, 0, 0, 0):
        return None
    if value.type.rank < 3:
        return None
    image, shape, apart = _before_spread(pad.operands[0], movers)
    seen = seen_through(image, movers)
    if not packed(seen) or not _stays(seen.value, memory):
        return None
    return Border(maker, seen.value, shape, tuple(low), tuple(high[1:-1]), apart)


def _before_spread(value: Value, movers: Movers) -> tuple[Value, Shape, tuple[int, ...]]:
    """An image whose elements were moved apart by graphc.ir.ops_convolution, perhaps in another shape, its own shape,
    and how far apart; else the value itself."""
    axes = tuple(range(1, value.type.rank - 1))
    plain = value, value.type.shape, (1,) * len(axes)
    spread = _before(movers.get(value), "reshape", movers)
    alone = _before(spread, "spread", movers)
    if alone is None or spread is None or alone.name != "reshape" or spread.attr("axes") != axes:
        return plain
    items, *positions, channels = (*alone.result.type.shape[:1 + len(axes)], alone.result.type.shape[-1])
    if alone.result.type.shape != (items, *positions, *(1 for _ in axes), channels) \
            or value.type.shape != (items, *spread.attr("extents"), channels):
        return plain
    return alone.operands[0], (items, *positions, channels), spread.attr("strides")


def _before(op: Op | None, name: str, movers: Movers) -> Op | None:
    """The mover in front of an op of this name."""
    return movers.get(op.operands[0]) if op is not None and op.name == name else None


def _stays(value: Value, memory: MemoryPlan) -> bool:
    """Whether the value can be kept for as long as somebody wants to read it."""
    overwritten = {old for kernel in memory.kernels.kernels for old in kernel.in_place.values()}
    return value in memory.lives or (value in memory.kernels.graph.inputs and value not in overwritten)

