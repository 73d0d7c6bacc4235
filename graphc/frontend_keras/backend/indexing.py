"""tensor[...]: integers, slices, None, Ellipsis, and whole-number tensors.

A slice past the end is cut where the size is known; of an unknown size it is taken to be inside.

What does not live here: gather with many indices (shaping.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.sizes import dim_of, known_values
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, reshape_to
from graphc.ir.dims import Dim


def index(x: Tensor, key: Any) -> Tensor:
    """`x[key]` by NumPy's basic indexing. Raises ShapeError for too many or unsupported indices."""
    items = _full_key(x, key if isinstance(key, tuple) else (key,))
    bounds: list[tuple[Dim, Dim, int]] = []
    backwards: list[int] = []
    kept: list[Dim] = []
    computed: list[tuple[int, Tensor]] = []
    axis = 0
    for item in items:
        if item is None:
            kept.append(1)
            continue
        size = x.dims[axis]
        start, limit, stride = _bounds(item, size, x)
        bounds.append((start, limit, abs(stride)))
        if stride < 0:
            backwards.append(axis)
        if isinstance(item, Tensor) and known_values(item) is None:
            computed.append((axis, item))
        if isinstance(item, slice):
            kept.append(-(-(limit - start) // abs(stride)))
        axis += 1
    if computed:
        return _gathered(x, items, computed)
    return reshape_to(_turned(slice_to(x, bounds), backwards), tuple(kept))


def _full_key(x: Tensor, key: tuple[Any, ...]) -> list[Any]:
    """The key with Ellipsis written out and all axes there."""
    named = sum(1 for k in key if k is not None and k is not Ellipsis)
    if named > x.rank:
        raise ShapeError(f"too many indices for a tensor of shape {tuple(x.shape)}", where=current_origin(),
                         expected=f"at most {x.rank}", got=named)
    rest = [slice(None)] * (x.rank - named)
    places = [i for i, k in enumerate(key) if k is Ellipsis]
    at = places[0] if places else len(key)
    return [*key[:at], *rest, *key[at + 1:]]


def _bounds(item: Any, size: Dim, x: Tensor) -> tuple[Dim, Dim, int]:
    """start, limit and stride of what one index keeps; a negative stride means the kept part is reversed."""
    if isinstance(item, Tensor) and known_values(item) is None:
        return 0, size, 1
    if not isinstance(item, slice):
        if not isinstance(item, (int, np.integer, Tensor)):
            raise ShapeError("an index must be an integer, a slice, None or ...", where=current_origin(),
                             got=type(item).__name__, fix="Use K.gather for lists of indices.")
        at = _place(dim_of(item), size)
        if isinstance(at, int) and isinstance(size, int) and not 0 <= at < size:
            raise ShapeError(f"index {item} is outside an axis of size {size}", where=current_origin(), got=x)
        return at, at + 1, 1
    stride = 1 if item.step is None else int(item.step)
    if isinstance(size, int) and not any(isinstance(v, Tensor) for v in (item.start, item.stop)):
        return _known_bounds(range(*slice(item.start, item.stop, stride).indices(size)), stride)
    if stride < 0 and (item.start is not None or item.stop is not None):
        raise ShapeError("part of an axis of unknown size cannot be reversed", where=current_origin(), got=x)
    start = 0 if item.start is None else _place(dim_of(item.start), size)
    limit = size if item.stop is None else _place(dim_of(item.stop), size)
    return start, limit, stride


def _known_bounds(kept: range, stride: int) -> tuple[int, int, int]:
    if not len(kept):
        return 0, 0, 1
    low, high = min(kept[0], kept[-1]), max(kept[0], kept[-1])
    return low, high + 1, stride


def _place(at: Dim, size: Dim) -> Dim:
    return size + at if isinstance(at, int) and at < 0 else at


def slice_to(x: Tensor, bounds: list[tuple[Dim, Dim, int]]) -> Tensor:
    """The part between the bounds (start, limit, stride) of each axis."""
    starts, limits, strides = (tuple(c) for c in zip(*bounds, strict=True)) if bounds else ((), (), ())
    if limits == x.dims and set(starts) <= {0} and set(strides) <= {1}:
        return x
    return apply_op("slice", x, starts=starts, limits=limits, strides=strides)


def _turned(x: Tensor, axes: list[int]) -> Tensor:
    return apply_op("reverse", x, axes=tuple(axes)) if axes else x


def _gathered(x: Tensor, items: list[Any], computed: list[tuple[int, Tensor]]) -> Tensor:
    """Scalar tensors as indices: gather along their axes, then index the rest."""
    rest = list(items)
    for axis, chosen in reversed(computed):
        place = [i for i, k in enumerate(items) if k is not None][axis]
        if chosen.rank:
            raise ShapeError("a tensor used as an index must be a scalar", where=current_origin(),
                             got=tuple(chosen.shape), fix="Use K.gather.")
        x = apply_op("gather", x, chosen, axis=axis)
        del rest[place]
    return index(x, tuple(rest))


Tensor.__getitem__ = index  # here, so that imports go one way
