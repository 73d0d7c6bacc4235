"""Data in sparse matrices: rows that become dense when a batch is made of them.

Nothing here needs SciPy; a matrix is known by its methods. What does not live here: sparse tensors, of which there are
none: a model computes with dense ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def is_sparse_matrix(value: Any) -> bool:
    """Whether this is a matrix or array of scipy.sparse."""
    return hasattr(value, "tocsr") and hasattr(value, "toarray")


class SparseRows:
    """Rows of a sparse matrix (samples, features), picked by a slice or by an array of numbers.

    NumPy makes a dense array of it: np.asarray(rows[3:5]).
    """

    ndim = 2

    def __init__(self, matrix: Any):
        self._matrix = matrix.tocsr()
        self.shape: tuple[int, ...] = tuple(self._matrix.shape)
        self.dtype = np.dtype(self._matrix.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> SparseRows:
        return SparseRows(self._matrix[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self._matrix.toarray(), dtype)
