"""Samples cut into chunks of whole batches, in the element type that a function takes.

What does not live here: running the chunks (training_arrays.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.sparse_rows import SparseRows
from graphc.runtime.residence import Unchanging
from graphc.runtime.signature import in_type

CONVERT_AT_ONCE = 1 << 28
"""Bytes up to which data of another element type or in another order is converted as a whole."""
CHUNK_BYTES = 4 << 20
"""Bytes of samples per native call: about what the caches hold."""

Order = np.ndarray | None


class Rows:
    """The samples of all inputs of a function, side by side.

    arrays        one per input: NumPy arrays, or anything that can be indexed by rows (HDF5 datasets, sparse matrices)
    placeholders  what they are fed to; they say the element types
    in_memory     whether native code can pick rows out of the arrays as they are
    """

    def __init__(self, arrays: Sequence[Any], placeholders: Sequence[Any]):
        self.names = [x.name for x in placeholders]
        self.dtypes = [np.dtype(K.dtype(x)) for x in placeholders]
        self.arrays = [_converted(*one) for one in zip(arrays, self.dtypes, self.names, strict=True)]
        self.count = int(self.arrays[0].shape[0])
        self.in_memory = all(isinstance(a, np.ndarray) and a.dtype == dtype and a.flags.c_contiguous
                             for a, dtype in zip(self.arrays, self.dtypes))
        if self.in_memory:  # for the time of one fit, evaluate or predict
            self.arrays = [a.view(Unchanging) for a in self.arrays]
        self.row_bytes = sum(int(np.prod(a.shape[1:], dtype=np.int64)) * dtype.itemsize
                             for a, dtype in zip(self.arrays, self.dtypes))
        self._buffers: list[np.ndarray | None] = [None] * len(self.arrays)

    def take(self, start: int, stop: int, order: Order = None) -> list[np.ndarray]:
        """The rows from `start` to `stop` of every input, in their order or in that of `order`.

        The arrays are valid until the next call.
        """
        if order is None:
            return [_slice(a, start, stop, *wanted) for a, *wanted in zip(self.arrays, self.dtypes, self.names)]
        return [self._gather(i, order[start:stop]) for i in range(len(self.arrays))]

    def _gather(self, i: int, wanted: np.ndarray) -> np.ndarray:
        array, dtype, name = self.arrays[i], self.dtypes[i], self.names[i]
        if isinstance(array, SparseRows):
            return in_type(np.asarray(array[wanted]), dtype, name)
        if not isinstance(array, np.ndarray):
            return np.concatenate([_slice(array, run[0], run[-1] + 1, dtype, name) for run in _runs(wanted)])
        if array.dtype != dtype:
            return in_type(array[wanted], dtype, name)
        buffer = self._buffers[i]
        if buffer is None or len(buffer) < len(wanted):
            buffer = self._buffers[i] = np.empty((len(wanted), *array.shape[1:]), dtype)
        return np.take(array, wanted, axis=0, out=buffer[:len(wanted)], mode="clip")


def _converted(array: Any, dtype: np.dtype, name: str) -> Any:
    if not isinstance(array, np.ndarray):
        return array
    if array.size * dtype.itemsize > CONVERT_AT_ONCE:
        return array
    return np.ascontiguousarray(in_type(array, dtype, name))


def _runs(wanted: np.ndarray) -> list[np.ndarray]:
    """`wanted` cut where it does not go on with the next row: files are read in slices only."""
    return np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1)


def _slice(array: Any, start: int, stop: int, dtype: np.dtype, name: str) -> np.ndarray:
    return np.ascontiguousarray(in_type(np.asarray(array[start:stop]), dtype, name))


class Pace:
    """How many steps to run in one native call: about `seconds` long, and no more than the caches hold."""

    clock = staticmethod(time.perf_counter)

    def __init__(self, seconds: float, bytes_per_step: int):
        self.seconds = seconds
        self.most = max(1, CHUNK_BYTES // max(1, bytes_per_step))
        self.per_step = 0.0
        self._began = 0.0

    def steps(self, left: int) -> int:
        """The number of steps to run now, `left` at most; starts the clock."""
        self._began = self.clock()
        wanted = int(self.seconds / self.per_step) if self.per_step > 0 else 4
        return max(1, min(left, self.most, wanted))

    def done(self, steps: int) -> None:
        """Say that the steps have been run."""
        self.per_step = max((self.clock() - self._began) / steps, 1e-7)
