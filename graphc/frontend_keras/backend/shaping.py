"""Functions of K that move elements: reshape, transpose, repeat, pad, join, pick.

What does not live here: indexing with [] (indexing.py), shapes as values (sizes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras.backend.config import floatx, normalize_data_format
from graphc.frontend_keras.backend.indexing import slice_to
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.reductions import normal_axes, normal_axis
from graphc.frontend_keras.backend.sizes import dim_of, dims_of
from graphc.frontend_keras.backend.sliding import channels_last, in_layout
from graphc.frontend_keras.backend.symbols import unify
from graphc.frontend_keras.backend.tensor import (
    Tensor,
    alike,
    apply_op,
    as_tensor,
    assume,
    binary,
    cast,
    full_like,
    meet,
    reshape_to,
)
from graphc.ir.dims import Dim, exact_div, size_of
from graphc.ir.spec import Array
from graphc.ir.types import dtype_of

Padding = Sequence[Sequence[int]]


def reshape(x: Tensor, shape: Any) -> Tensor:
    """`x` in another shape; one size may be -1. Sizes may be scalar tensors made of K.shape.

    Raises ShapeError where the numbers of elements differ.
    """
    x = as_tensor(x)
    wanted = list(dims_of(shape))
    unknown = [i for i, d in enumerate(wanted) if isinstance(d, int) and d == -1]
    if len(unknown) > 1:
        raise ShapeError("only one size may be -1", where=current_origin(), got=shape)
    total = size_of(x.dims)
    if unknown:
        left = exact_div(total, size_of(d for i, d in enumerate(wanted) if i != unknown[0]))
        if left is None:
            raise ShapeError(f"Cannot reshape {tuple(x.shape)} into {_shown(wanted)}", where=current_origin())
        wanted[unknown[0]] = left
    if size_of(wanted) != total:
        x = _with_size(x, size_of(wanted), wanted)
    return reshape_to(x, tuple(wanted))


def _with_size(x: Tensor, size: Dim, wanted: list[Dim]) -> Tensor:
    """`x` under the assumption that it has `size` elements, where its unknown sizes allow that."""
    for axis, dim in enumerate(x.dims):
        rest = exact_div(size, size_of(d for i, d in enumerate(x.dims) if i != axis))
        if not isinstance(dim, int) and rest is not None and unify(dim, rest) is not None:
            return assume(x, (*x.dims[:axis], rest, *x.dims[axis + 1:]))
    raise ShapeError(f"Cannot reshape {tuple(x.shape)} into {_shown(wanted)}", where=current_origin(),
                     expected=f"{size_of(x.dims)} elements", got=size)


def _shown(shape: Sequence[Dim]) -> tuple[int | None, ...]:
    return tuple(d if isinstance(d, int) else None for d in shape)


def transpose(x: Tensor) -> Tensor:
    """All axes in reverse order."""
    return apply_op("transpose", x, perm=tuple(reversed(range(x.rank))))


def permute_dimensions(x: Tensor, pattern: Sequence[int]) -> Tensor:
    """Axis i of the result is axis pattern[i] of `x`."""
    return apply_op("transpose", x, perm=tuple(normal_axis(int(a), x) for a in pattern))


def flatten(x: Tensor) -> Tensor:
    """All elements in one axis."""
    return reshape_to(x, (size_of(x.dims),))


def batch_flatten(x: Tensor) -> Tensor:
    """Two axes: the batch, and everything else."""
    return reshape_to(x, (x.dims[0], size_of(x.dims[1:])))


def expand_dims(x: Tensor, axis: int = -1) -> Tensor:
    """An axis of size 1 more, at `axis` of the result."""
    at = normal_axis(axis, x, extra=1)
    return reshape_to(x, (*x.dims[:at], 1, *x.dims[at:]))


def squeeze(x: Tensor, axis: int) -> Tensor:
    """Without the axis `axis`, whose size is 1."""
    at = normal_axis(axis, x)
    if unify(x.dims[at], 1) is None:
        raise ShapeError(f"axis {axis} of {tuple(x.shape)} cannot be squeezed", where=current_origin(),
                         expected="size 1", got=x.dims[at])
    x = assume(x, (*x.dims[:at], 1, *x.dims[at + 1:]))
    return reshape_to(x, (*x.dims[:at], *x.dims[at + 1:]))


def repeat(x: Tensor, n: Any) -> Tensor:
    """(samples, features) to (samples, n, features)."""
    if x.rank != 2:
        raise ShapeError("repeat needs a tensor of 2 axes", where=current_origin(), got=tuple(x.shape))
    return apply_op("broadcast", x, axes=(0, 2), shape=(x.dims[0], dim_of(n), x.dims[1]))


def repeat_elements(x: Tensor, rep: int, axis: int) -> Tensor:
    """Each element `rep` times in a row along `axis`."""
    at = normal_axis(axis, x)
    before, size, after = x.dims[:at], x.dims[at], x.dims[at + 1:]
    axes = (*range(at + 1), *range(at + 2, x.rank + 1))
    spread = apply_op("broadcast", x, axes=axes, shape=(*before, size, int(rep), *after))
    return reshape_to(spread, (*before, size * int(rep), *after))


def tile(x: Tensor, n: Any) -> Tensor:
    """`x` repeated n[i] times along axis i; `n` has one number per axis."""
    counts = dims_of(n)
    if len(counts) != x.rank:
        raise ShapeError("tile needs one count per axis", where=current_origin(), expected=x.rank, got=n)
    between = tuple(d for pair in zip(counts, x.dims, strict=True) for d in pair)
    spread = apply_op("broadcast", x, axes=tuple(range(1, 2 * x.rank, 2)), shape=between)
    return reshape_to(spread, tuple(c * d for c, d in zip(counts, x.dims, strict=True)))


def concatenate(tensors: Sequence[Tensor], axis: int = -1) -> Tensor:
    """All tensors in a row along `axis`; their other sizes are equal."""
    parts = alike(tensors)
    at = normal_axis(axis, parts[0])
    if any(t.rank != parts[0].rank for t in parts):
        raise ShapeError("concatenate needs tensors of one rank", where=current_origin(),
                         got=[tuple(t.shape) for t in parts])
    shape = list(parts[0].dims)
    for t in parts[1:]:
        for i, dim in enumerate(t.dims):
            shape[i] = shape[i] if i == at else meet(shape[i], dim, f"concatenate along axis {at}: shapes", *parts)
    parts = [assume(t, (*shape[:at], t.dims[at], *shape[at + 1:])) for t in parts]
    return parts[0] if len(parts) == 1 else apply_op("concatenate", *parts, axis=at)


def stack(x: Sequence[Tensor], axis: int = 0) -> Tensor:
    """All tensors along a new axis `axis`."""
    parts = alike(x)
    at = normal_axis(axis, parts[0], extra=1)
    return concatenate([expand_dims(t, at) for t in parts], at)


def reverse(x: Tensor, axes: Any) -> Tensor:
    """The elements in reverse order along `axes`."""
    return apply_op("reverse", x, axes=normal_axes(axes, x))


def slice(x: Tensor, start: Any, size: Any) -> Tensor:
    """The part of `x` that begins at `start` and has `size`, one number per axis; size -1 is the rest."""
    starts, sizes = dims_of(start), dims_of(size)
    if len(starts) != x.rank or len(sizes) != x.rank:
        raise ShapeError("slice needs one start and one size per axis", where=current_origin(), got=tuple(x.shape))
    ends = [d if s == -1 else a + s for a, s, d in zip(starts, sizes, x.dims, strict=True)]
    return slice_to(x, [(a, e, 1) for a, e in zip(starts, ends, strict=True)])


def gather(reference: Tensor, indices: Tensor) -> Tensor:
    """The rows of `reference` at `indices`: the indices' shape, then that of one row.

    An index outside raises IndexRangeError when the function runs.
    """
    return apply_op("gather", as_tensor(reference), as_tensor(indices, "int32"), axis=0)


def as_indices(x: Tensor, dtype: str) -> Tensor:
    """Whole numbers as indices: integers stay, floats become `dtype`, a signed type.

    A float that is not whole, not finite or too large becomes the type's smallest number, which no axis has.
    """
    if x.type.dtype.is_integer:
        return x
    if not x.type.dtype.is_float:
        return cast(x, dtype)
    limit = -float(np.iinfo(dtype).min)
    whole = binary("equal", apply_op("rint", x), x)
    fits = apply_op("logical_and", whole, binary("less", apply_op("absolute", x), limit))
    return cast(apply_op("select", fits, x, full_like(-limit, x)), dtype)


def one_hot(indices: Tensor, num_classes: int) -> Tensor:
    """Ones at the positions that the indices name along a new last axis of `num_classes`; zeros elsewhere."""
    return apply_op("one_hot", indices, depth=int(num_classes), dtype=dtype_of(floatx()))


def arange(start: Any, stop: Any = None, step: int = 1, dtype: str = "int32") -> Tensor:
    """start, start + step, ... before stop; one argument alone is the stop, and none below 0."""
    values = (start, stop, step)
    if any(isinstance(v, float) for v in values):
        return as_tensor(np.arange(*(v for v in values if v is not None)), dtype)
    first, last = (0, dim_of(start)) if stop is None else (dim_of(start), dim_of(stop))
    if isinstance(first, int) and isinstance(last, int):
        return apply_op("constant", value=Array(np.arange(first, last, step).astype(dtype_of(dtype).numpy)))
    if step != 1:
        raise ShapeError("arange with unknown ends needs step 1", where=current_origin(), got=step)
    counted = apply_op("iota", axis=0, shape=(last - first,), dtype=dtype_of(dtype))
    return counted if first == 0 else counted + start


def temporal_padding(x: Tensor, padding: Sequence[int] = (1, 1)) -> Tensor:
    """Zeros before and after the steps of (samples, steps, features)."""
    return _padded(x, [padding], "channels_last")


def spatial_2d_padding(x: Tensor, padding: Padding = ((1, 1), (1, 1)), data_format: str | None = None) -> Tensor:
    """Zeros around the rows and columns of images."""
    return _padded(x, padding, data_format)


def spatial_3d_padding(x: Tensor, padding: Padding = ((1, 1), (1, 1), (1, 1)),
                       data_format: str | None = None) -> Tensor:
    """Zeros around the three spatial axes of volumes."""
    return _padded(x, padding, data_format)


def _padded(x: Tensor, padding: Padding, data_format: str | None) -> Tensor:
    first = 2 if normalize_data_format(data_format) == "channels_first" else 1
    if x.rank != len(padding) + 2 or any(len(p) != 2 for p in padding):
        raise ShapeError(f"padding of {len(padding)} axes does not fit the rank", where=current_origin(),
                         expected=f"{len(padding) + 2} axes", got=tuple(x.shape))
    low, high = [0] * x.rank, [0] * x.rank
    for axis, (before, after) in enumerate(padding, start=first):
        low[axis], high[axis] = int(before), int(after)
    return apply_op("pad", x, low=tuple(low), high=tuple(high), value=0.0)


def resize_images(x: Tensor, height_factor: int, width_factor: int, data_format: str,
                  interpolation: str = "nearest") -> Tensor:
    """Images with each pixel repeated, or the averages of the pixels around.

    interpolation  nearest, or bilinear: pixel i of an axis lies at i * factor of the result, values between two pixels
                   lie on the line between theirs, and those behind the last one equal it

    Raises ArgumentError for another interpolation.
    """
    if interpolation not in ("nearest", "bilinear"):
        raise ArgumentError("interpolation should be one of \"nearest\" or \"bilinear\"", where="K.resize_images",
                            got=repr(interpolation))
    if interpolation == "nearest":
        return _enlarged(x, (height_factor, width_factor), data_format)
    layout = normalize_data_format(data_format)
    x = channels_last(x if x.type.dtype.is_float else cast(x, floatx()), layout)
    return in_layout(_between(_between(x, int(width_factor), 2), int(height_factor), 1), layout)


def _between(x: Tensor, factor: int, axis: int) -> Tensor:
    """`factor` values for each element along `axis`: those on the line from it to the next."""
    if factor == 1:
        return x
    size = x.dims[axis]
    whole: list[tuple[Dim, Dim, int]] = [(0, d, 1) for d in x.dims]
    following, last = (slice_to(x, [*whole[:axis], (start, size, 1), *whole[axis + 1:]]) for start in (1, size - 1))
    rise = expand_dims(concatenate([following, last], axis) - x, axis + 1)
    share = as_tensor(np.arange(factor) / factor, x.type.dtype)
    share = reshape_to(share, (factor, *(1 for _ in x.dims[axis + 1:])))
    found = expand_dims(x, axis + 1) + rise * share
    return reshape_to(found, (*x.dims[:axis], size * factor, *x.dims[axis + 1:]))


def resize_volumes(x: Tensor, depth_factor: int, height_factor: int, width_factor: int, data_format: str) -> Tensor:
    """Volumes with each voxel repeated."""
    return _enlarged(x, (depth_factor, height_factor, width_factor), data_format)


def _enlarged(x: Tensor, factors: Sequence[int], data_format: str) -> Tensor:
    layout = normalize_data_format(data_format)
    x = channels_last(x, layout)
    for axis, factor in enumerate(factors, start=1):
        x = repeat_elements(x, factor, axis)
    return in_layout(x, layout)
