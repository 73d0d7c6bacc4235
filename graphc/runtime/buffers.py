"""Memory for native code: arrays that begin on a cache line, so that no vector lies across two.

NumPy's own arrays begin at multiples of 16 bytes; a matrix of weights there makes a contraction a tenth slower.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.layout import ALIGNMENT


def empty_aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array in C order of any content that begins at a multiple of ALIGNMENT bytes."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    block = np.empty(size + ALIGNMENT, np.uint8)
    start = -block.ctypes.data % ALIGNMENT
    return block[start:start + size].view(kind).reshape(shape)


def copy_aligned(array: np.ndarray) -> np.ndarray:
    """A copy in C order that begins at a multiple of ALIGNMENT bytes."""
    copy = empty_aligned(array.shape, array.dtype)
    copy[...] = array
    return copy
