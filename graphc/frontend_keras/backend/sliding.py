"""What convolution and pooling share: layouts, window arguments, and the padding in front of a window op.

Inside, channels are last; a tensor with channels first is transposed in front and behind, and neighbouring
transposes cancel in the graph.

What does not live here: the functions of K (convolution.py, pooling.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras.backend.config import normalize_data_format
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.tensor import Tensor, apply_op
from graphc.ir.dims import Dim
from graphc.ir.ops_window import positions

Ints = tuple[int, ...]


def ints(value: Any, count: int, name: str) -> Ints:
    """`value`, one positive integer or `count` of them, as a tuple. Raises ArgumentError."""
    found = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * count
    if len(found) != count or any(isinstance(v, bool) or v != int(v) or v < 1 for v in found):
        raise ArgumentError(f"`{name}` is not {count} positive integers", where=current_origin(), got=repr(value))
    return tuple(int(v) for v in found)


def channels_last(x: Tensor, layout: str) -> Tensor:
    """`x` of this layout, with its channels last."""
    return x if layout == "channels_last" else apply_op("transpose", x, perm=(0, *range(2, x.rank), 1))


def in_layout(x: Tensor, layout: str) -> Tensor:
    """`x`, whose channels are last, in this layout."""
    return x if layout == "channels_last" else apply_op("transpose", x, perm=(0, x.rank - 1, *range(1, x.rank - 1)))


@dataclass(frozen=True)
class Sliding:
    """Windows that slide over the spatial axes of a tensor.

    what     "kernel" or "pool_size", for errors
    size, strides, dilations  one number for each spatial axis
    padding  valid, same or, along one axis, causal
    layout   channels_last or channels_first
    """

    what: str
    size: Ints
    strides: Ints
    dilations: Ints
    padding: str
    layout: str

    @property
    def axes(self) -> Ints:
        return tuple(range(1, 1 + len(self.size)))

    @property
    def reach(self) -> Ints:
        """How far the last element of a window lies from its first one."""
        return tuple((k - 1) * d for k, d in zip(self.size, self.dilations, strict=True))

    def enter(self, x: Tensor, value: float = 0.0) -> Tensor:
        """`x` with its channels last and `value` around it as the padding demands. Raises ShapeError."""
        self._check(x)
        shown, x = tuple(x.shape), channels_last(x, self.layout)
        low, high = [0] * x.rank, [0] * x.rank
        for axis, (before, after) in zip(self.axes, self.margins(x.dims[1:-1]), strict=True):
            low[axis], high[axis] = before, after
            extent = x.dims[axis] + before + after
            if isinstance(extent, int) and extent <= self.reach[axis - 1]:
                raise self._too_large(shown)
        if not any(low) and not any(high):
            return x
        return apply_op("pad", x, low=tuple(low), high=tuple(high), value=value)

    def margins(self, extents: Sequence[Dim]) -> list[tuple[Any, Any]]:
        """How much padding stands in front of and behind each spatial axis.

        Same: as many windows as extent / stride rounded up, the odd element behind. Raises ShapeError for an
        unknown size of which the amount cannot be told.
        """
        if self.padding == "valid":
            return [(0, 0)] * len(self.size)
        if self.padding == "causal":
            return [(reach, 0) for reach in self.reach]
        return [_halves(self._missing(*axis)) for axis in zip(extents, self.reach, self.strides, strict=True)]

    def _missing(self, extent: Dim, reach: int, stride: int) -> Dim:
        if reach == 0:
            return 0
        missing = (extent - 1) // stride * stride + reach + 1 - extent
        if isinstance(missing, int):
            return max(missing, 0)
        if reach + 1 < stride:
            raise ShapeError(f"padding='same' with strides={self.strides} above the {self.what} needs known sizes",
                             where=current_origin(), fix="Give the Input a shape without None.")
        return missing

    def _check(self, x: Tensor) -> None:
        normalize_data_format(self.layout)
        if self.padding not in ("valid", "same", "causal") or (self.padding == "causal" and len(self.size) > 1):
            raise ArgumentError(f"Invalid padding: {self.padding!r}", where=current_origin(),
                                expected="valid or same, and causal along one axis")
        if x.rank != len(self.size) + 2:
            raise ShapeError(f"{len(self.size)} spatial axes need an input of {len(self.size) + 2} axes",
                             where=current_origin(), expected=f"(batch, spatial axes, channels) as {self.layout}",
                             got=tuple(x.shape))

    def _too_large(self, shown: tuple[int | None, ...]) -> ShapeError:
        spans = tuple(reach + 1 for reach in self.reach)
        dilated = f" (dilation_rate={self.dilations})" if any(d > 1 for d in self.dilations) else ""
        return ShapeError(f"the {self.what} {self.size}{dilated} is larger than the input under padding="
                          f"{self.padding!r}, so the output would have a negative size", where=current_origin(),
                          expected=f"spatial sizes of at least {spans}",
                          got=f"input shape {shown} read as {self.layout}",
                          fix=f"Use a larger input, a smaller {self.what} or padding='same'.")

    def windows(self, x: Tensor) -> Tensor:
        """[N,*P,*size,C] of a padded tensor [N,*S,C]."""
        return apply_op("windows", x, axes=self.axes, shape=self.size, strides=self.strides,
                        dilations=self.dilations)

    @property
    def offsets(self) -> Ints:
        """The axes of `windows` that number the elements of a window."""
        return tuple(axis + len(self.size) for axis in self.axes)

    def places(self, extents: Sequence[Dim]) -> tuple[Dim, ...]:
        """How many windows there are along each axis of unpadded `extents`."""
        return tuple(positions(extent + before + after, *window) for extent, (before, after), *window in zip(
            extents, self.margins(extents), self.size, self.strides, self.dilations, strict=True))


def _halves(missing: Dim) -> tuple[Dim, Dim]:
    return missing // 2, missing - missing // 2
