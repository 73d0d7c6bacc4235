"""Strided views: where the elements of a value lie in a stored one, seen through movers.

An axis of a view is a row of digits, each with an extent and a stride in elements: an index along the axis is
written in this mixed radix, the last digit running fastest. Reshapes regroup digits, windows and slices scale
strides, a broadcast's stride is 0.

What does not live here: who reads through views (codegen), which movers are stored (passes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphc.ir.dims import Dim, Shape, size_of
from graphc.ir.graph import Op, Value


@dataclass(frozen=True, slots=True)
class Digit:
    extent: Dim
    stride: Dim


Axis = tuple[Digit, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A stored value, the offset of the first element in it, and one row of digits per axis."""

    value: Value
    offset: Dim
    axes: tuple[Axis, ...]


def stored(value: Value) -> View:
    """The value as it lies in memory: row-major."""
    shape = value.type.shape
    return View(value, 0, tuple(_axis(Digit(dim, size_of(shape[i + 1:]))) for i, dim in enumerate(shape)))


def _axis(*digits: Digit) -> Axis:
    """Digits without those of extent 1, neighbours that follow each other in memory merged."""
    merged: list[Digit] = []
    for digit in digits:
        if digit.extent == 1:
            continue
        if merged and merged[-1].stride == digit.extent * digit.stride:
            merged[-1] = Digit(merged[-1].extent * digit.extent, digit.stride)
        else:
            merged.append(digit)
    return tuple(merged)


def view_of(value: Value, producers: Mapping[Value, Op], is_stored: Callable[[Op], bool]) -> tuple[View, Op | None]:
    """The view that `value` is of a stored one, and the last mover on the way that has to be stored for it, if any."""
    way: list[Op] = []
    source = value
    while (op := producers.get(source)) is not None and op.name in _THROUGH and not is_stored(op):
        way.append(op)
        source = op.operands[0]
    view, blocked = stored(source), None
    for op in reversed(way):
        found = _THROUGH[op.name](op, view)
        if found is None:
            found, blocked = stored(op.result), op
        view = found
    return view, blocked


def in_blocks(axis: Axis) -> bool:
    """Whether an axis is cut into blocks of neighbours that lie block behind block, such as packed columns."""
    return len(axis) == 2 and axis[1].stride == 1 and all(isinstance(digit.extent, int) for digit in axis)


def packed(view: View) -> bool:
    """Whether the elements, in the order of the view, follow each other from where the value begins."""
    digits = _axis(*(digit for axis in view.axes for digit in axis))
    return view.offset == 0 and (not digits or (len(digits) == 1 and digits[0].stride == 1))


def passes_through(op: Op) -> bool:
    """Whether there are views through ops of this name."""
    return op.name in _THROUGH


def _transpose(op: Op, view: View) -> View:
    return View(view.value, view.offset, tuple(view.axes[i] for i in op.attr("perm")))


def _reshape(op: Op, view: View) -> View | None:
    axes = _regrouped([digit for axis in view.axes for digit in axis], op.result.type.shape)
    return None if axes is None else View(view.value, view.offset, axes)


def _regrouped(digits: list[Digit], shape: Shape) -> tuple[Axis, ...] | None:
    """The same digits in groups as large as the axes of `shape`, cut where a group ends within one."""
    axes: list[Axis] = []
    left = list(digits)
    for dim in reversed(shape):
        taken: list[Digit] = []
        size: Dim = 1
        while size != dim:
            if not left or (isinstance(size, int) and isinstance(dim, int) and size > dim):
                return None
            digit = left.pop()
            if isinstance(dim, int) and isinstance(size, int) and isinstance(digit.extent, int) \
                    and size * digit.extent > dim:
                need, rest = divmod(dim, size)
                if rest or digit.extent % need:
                    return None
                left.append(Digit(digit.extent // need, digit.stride * need))
                digit = Digit(need, digit.stride)
            taken.insert(0, digit)
            size = size * digit.extent
        axes.insert(0, _axis(*taken))
    return None if left else tuple(axes)


def _windows(op: Op, view: View) -> View | None:
    axes, first, n = view.axes, op.attr("axes")[0], len(op.attr("axes"))
    cut = axes[first:first + n]
    if any(len(axis) > 1 for axis in cut):
        return None
    shape = op.result.type.shape
    steps = [axis[0].stride if axis else 0 for axis in cut]
    moved = [_axis(Digit(dim, stride * step)) for scale in ("strides", "dilations")
             for dim, stride, step in zip(shape[first:] if scale == "strides" else shape[first + n:],
                                          op.attr(scale), steps, strict=False)]
    return View(view.value, view.offset, (*axes[:first], *moved, *axes[first + n:]))


def _slice(op: Op, view: View) -> View | None:
    offset, axes = view.offset, []
    for axis, start, stride, dim, whole in zip(view.axes, op.attr("starts"), op.attr("strides"), op.result.type.shape,
                                               op.operands[0].type.shape, strict=True):
        if dim == whole and start == 0:
            axes.append(axis)
            continue
        if len(axis) > 1:
            return None
        step = axis[0].stride if axis else 0
        offset = offset + start * step
        axes.append(_axis(Digit(dim, step * stride)))
    return View(view.value, offset, tuple(axes))


def _reverse(op: Op, view: View) -> View:
    offset, axes = view.offset, list(view.axes)
    for i in op.attr("axes"):
        offset = offset + sum(((digit.extent - 1) * digit.stride for digit in axes[i]), 0)
        axes[i] = tuple(Digit(digit.extent, -1 * digit.stride) for digit in axes[i])
    return View(view.value, offset, tuple(axes))


def _broadcast(op: Op, view: View) -> View:
    shape = op.result.type.shape
    axes = [_axis(Digit(dim, 0)) for dim in shape]
    for axis, at, dim in zip(view.axes, op.attr("axes"), op.operands[0].type.shape, strict=True):
        if dim == shape[at]:
            axes[at] = axis
    return View(view.value, view.offset, tuple(axes))


_THROUGH: dict[str, Callable[[Op, View], View | None]] = {
    "transpose": _transpose, "reshape": _reshape, "windows": _windows, "slice": _slice, "reverse": _reverse,
    "broadcast": _broadcast}
