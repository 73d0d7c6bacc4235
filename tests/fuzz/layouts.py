"""The same numbers as arrays of other layouts: what a caller may hand in, and must not matter.

What does not live here: the ops that are called with them (test_conformance.py).
"""

from collections.abc import Callable

import numpy as np


def transposed(array):
    """The last axis first in memory."""
    return np.array(array.T, order="C").T


def turned(array):
    """Negative strides along every axis."""
    backwards = (slice(None, None, -1),) * array.ndim
    return np.array(array[backwards], order="C")[backwards]


def sliced(array):
    """Every second element, and one more on each side, of a larger array."""
    room = np.zeros([2 * n + 3 for n in array.shape], array.dtype)
    part = tuple(slice(1, 1 + 2 * n, 2) for n in array.shape)
    room[part] = array
    return room[part]


def read_only(array):
    copy = array.copy()
    copy.setflags(write=False)
    return copy


def unaligned(array):
    """Elements that begin at odd addresses."""
    room = np.zeros(array.nbytes + 1, np.uint8)[1:]
    moved = room[:array.nbytes].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def other_endian(array):
    return array.astype(array.dtype.newbyteorder(">"))


def repeated(array):
    """One element for the whole of every axis: strides of 0. Other numbers than before, the first one everywhere."""
    return np.broadcast_to(array.reshape(-1)[:1].reshape((1,) * array.ndim), array.shape) if array.size else array


SAME: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "transposed": transposed, "negative strides": turned, "sliced": sliced, "read-only": read_only,
    "unaligned": unaligned, "big-endian": other_endian}
