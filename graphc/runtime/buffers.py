"""Memory for native code: arrays that begin on a cache line, so that no vector lies across two.

NumPy's own arrays begin at multiples of 16 bytes; a matrix of weights there makes a contraction a tenth slower.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.errors import OutOfMemoryError
from graphc.ir.layout import ALIGNMENT


def empty_aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array in C order of any content that begins at a multiple of ALIGNMENT bytes.

    Raises OutOfMemoryError where the system has no room for it.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    try:
        block = np.empty(size + ALIGNMENT, np.uint8)
    except (MemoryError, OverflowError, ValueError):
        raise OutOfMemoryError("there is no room for so much", where=f"an array of shape {tuple(shape)}",
                               got=f"{size} bytes") from None
    start = -block.ctypes.data % ALIGNMENT
    return block[start:start + size].view(kind).reshape(shape)


def copy_aligned(array: np.ndarray) -> np.ndarray:
    """A copy in C order that begins at a multiple of ALIGNMENT bytes."""
    copy = empty_aligned(array.shape, array.dtype)
    copy[...] = array
    return copy
