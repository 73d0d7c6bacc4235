"""Positions: where in a tensor a loop stands, as index expressions in source text.

A position is a row of blocks; each block covers some neighbouring axes with one linear index.
Movers turn the position of their result into the position of their operand.

What does not live here: loads and arithmetic (expressions.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc.ir.dims import Dim, Shape, size_of, split_axes
from graphc.ir.graph import Op
from graphc.ir.views import Axis

Size = Callable[..., str]


def plus(*terms: str) -> str:
    """The sum of index expressions, without zeros."""
    return " + ".join(term for term in terms if term != "0") or "0"


def times(index: str, stride: str) -> str:
    """An index expression, which must bind at least as strongly as a product, times a stride."""
    if "0" in (index, stride):
        return "0"
    return index if stride == "1" else f"{index} * {stride}"


def linear(index: str, axis: Axis, size: Size) -> str:
    """The offset of an index along an axis of several digits: each digit's part times its stride."""
    terms: list[str] = []
    rest: Dim = 1
    for i, digit in reversed(list(enumerate(axis))):
        part = index if rest == 1 else f"{index} // {size(rest)}"
        if i:
            part = f"{part} % {size(digit.extent)}"
        terms.insert(0, times(f"({part})" if " " in part else part, size(digit.stride)))
        rest = rest * digit.extent
    return plus(*terms)


@dataclass(frozen=True)
class At:
    """blocks: ((shape of the axes covered, index text), ...), front to back."""

    blocks: tuple[tuple[Shape, str], ...]

    def flat(self, size: Size) -> str:
        """The row-major element number."""
        text = ""
        for shape, index in self.blocks:
            extent = size_of(shape)
            if extent == 1:
                continue
            text = index if not text else f"({text}) * {size(extent)} + {index}" if " " in text \
                else f"{text} * {size(extent)} + {index}"
        return text or "0"

    def fitted(self, shape: Shape, size: Size) -> At:
        """The same element of a tensor of another shape; blocks are kept where they cover whole axes."""
        groups = split_axes(shape, [size_of(block) for block, _ in self.blocks])
        if groups is None:
            return whole(shape, self.flat(size))
        return At(tuple((group, index) for group, (_, index) in zip(groups, self.blocks, strict=True) if group))

    def axes(self, size: Size) -> list[str]:
        """One index per axis; blocks of several axes are divided."""
        texts: list[str] = []
        for shape, index in self.blocks:
            for i, dim in enumerate(shape):
                rest = size_of(shape[i + 1:])
                text = index if rest == 1 else f"({index}) // {size(rest)}"
                if i and dim != 1:
                    text = f"({text}) % {size(dim)}"
                texts.append("0" if dim == 1 else text)
        return texts


def whole(shape: Shape, index: str) -> At:
    """One block over all axes."""
    return At(((shape, index),)) if shape else At(())


def single(shape: Shape, indices: Sequence[str]) -> At:
    """One block per axis."""
    return At(tuple(((dim,), text) for dim, text in zip(shape, indices, strict=True)))


def through_broadcast(op: Op, at: At, size: Size) -> At:
    """The operand's position; blocks that are kept or dropped as a whole are not divided."""
    shape, axes = op.operands[0].type.shape, op.attr("axes")
    blocks: list[tuple[Shape, str]] = []
    start = 0
    for block, index in at.blocks:
        held = [i for i, axis in enumerate(axes) if start <= axis < start + len(block)]
        start += len(block)
        moving = [i for i in held if shape[i] != 1]
        if moving and len(moving) < sum(dim != 1 for dim in block):
            return _axis_by_axis(op, at, size)
        if held:
            blocks.append((tuple(shape[i] for i in held), index if moving else "0"))
    return At(tuple(blocks))


def _axis_by_axis(op: Op, at: At, size: Size) -> At:
    shape, indices = op.operands[0].type.shape, at.axes(size)
    return single(shape, ["0" if dim == 1 else indices[axis] for dim, axis in zip(shape, op.attr("axes"), strict=True)])


def through_reshape(op: Op, at: At, size: Size) -> At:
    return at.fitted(op.operands[0].type.shape, size)


def through_transpose(op: Op, at: At, size: Size) -> At:
    perm, indices = op.attr("perm"), at.axes(size)
    shape = op.operands[0].type.shape
    return single(shape, [indices[perm.index(axis)] for axis in range(len(shape))])


def through_slice(op: Op, at: At, size: Size) -> At:
    texts = []
    for text, start, stride in zip(at.axes(size), op.attr("starts"), op.attr("strides"), strict=True):
        text = text if stride == 1 else f"({text}) * {stride}"
        texts.append(text if start == 0 else f"{size(start, runtime=True)} + {text}")
    return single(op.operands[0].type.shape, texts)


def through_reverse(op: Op, at: At, size: Size) -> At:
    shape, turned = op.operands[0].type.shape, op.attr("axes")
    return single(shape, [f"{size(dim)} - 1 - ({text})" if axis in turned else text
                          for axis, (dim, text) in enumerate(zip(shape, at.axes(size), strict=True))])


def through_windows(op: Op, at: At, size: Size) -> At:
    axes, texts = op.attr("axes"), at.axes(size)
    first, n = axes[0], len(axes)
    moved = []
    for i, (stride, dilation) in enumerate(zip(op.attr("strides"), op.attr("dilations"), strict=True)):
        position, offset = (f"({text})" if " " in text else text for text in (texts[first + i], texts[first + n + i]))
        moved.append(f"({plus(times(position, str(stride)), times(offset, str(dilation)))})")
    return single(op.operands[0].type.shape, [*texts[:first], *moved, *texts[first + 2 * n:]])


ONE_TO_ONE: dict[str, Callable[[Op, At, Size], At]] = {
    "broadcast": through_broadcast, "reshape": through_reshape, "transpose": through_transpose,
    "slice": through_slice, "reverse": through_reverse, "windows": through_windows}
