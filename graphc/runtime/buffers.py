"""Memory for native code: arrays that begin on a cache line, so that no vector lies across two.

NumPy's own arrays begin at multiples of 16 bytes; a matrix of weights there makes a contraction a tenth slower.
What no memory holds is refused here, before anything is compiled for it where that is known.

What does not live here: sizes that no 64-bit address reaches (ir/sizes.py).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import OutOfMemoryError
from graphc.ir.dims import bind
from graphc.ir.graph import Value
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


def check_room(values: Iterable[Value]) -> None:
    """Raise OutOfMemoryError for a value that has to lie in memory and is larger than that, if all open sizes are 1."""
    for value in values:
        size = bind(value.type.nbytes, dict.fromkeys(value.type.symbols, 1))
        if isinstance(size, int) and size > most_memory():
            raise OutOfMemoryError("a result is larger than the memory of this machine", where=value.hint,
                                   expected=f"at most {most_memory()} bytes",
                                   got=f"{value.type} of {size} bytes or more")


@cache
def most_memory() -> int:
    """Bytes of memory and swap space; of memory alone where the system does not tell."""
    try:
        told = Path("/proc/meminfo").read_text()
    except OSError:
        told = ""
    swap = re.search(r"^SwapTotal:\s*(\d+) kB$", told, re.MULTILINE)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") + (int(swap[1]) << 10 if swap else 0)
