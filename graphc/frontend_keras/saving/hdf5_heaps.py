"""How long the texts of an HDF5 file can be at most.

Texts of any length lie in global heaps, and many places may share one text, so that a small file can unfold into much
memory. No text is longer than the heap that it lies in, and every heap begins with a mark (HDF5 File Format
Specification 3.0, III.E): one look at the bytes of the file finds the longest.

What does not live here: how much is too much (hdf5.py).
"""

from __future__ import annotations

import functools
import os
from typing import Any

_MARK = b"GCOL\x01"  # the mark and the only version there is; three bytes behind it are reserved, then follows the size
_HEAD = 16
_PIECE = 8 << 20


class Heaps:
    """The global heaps of the file that a h5py object belongs to."""

    def __init__(self, group: Any):
        self._group = group

    @functools.cached_property
    def longest(self) -> int:
        """Bytes of the longest heap; those of the file where its bytes cannot be seen."""
        file = self._group.file.id
        size = int(file.get_filesize())
        try:
            handle, width = int(file.get_vfd_handle()), int(file.get_create_plist().get_sizes()[1])
            return max((found for found in _sizes(handle, width) if found <= size), default=0)
        except (OSError, RuntimeError, ValueError, TypeError, NotImplementedError):
            return size


def _sizes(handle: int, width: int) -> list[int]:
    """What stands behind each mark where a heap keeps its size; a mark among numbers is taken for one too."""
    sizes, start = [], 0
    while len(piece := os.pread(handle, _PIECE, start)) >= _HEAD:
        at = piece.find(_MARK)
        while 0 <= at <= len(piece) - _HEAD:
            sizes.append(int.from_bytes(piece[at + 8:at + 8 + width], "little"))
            at = piece.find(_MARK, at + 1)
        start += len(piece) - _HEAD + 1
    return sizes
