"""NumPy helpers that users call on their data: one-hot labels and normalization.

What does not live here: anything symbolic (backend).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ArgumentError, IndexRangeError

__all__ = ["normalize", "to_categorical"]


def to_categorical(y: Any, num_classes: int | None = None, dtype: Any = "float32") -> np.ndarray:
    """One-hot rows for integer labels.

    y            integers >= 0 of any shape; a last axis of length 1 is dropped
    num_classes  length of the new last axis; default max(y) + 1

    Returns an array of shape y.shape + (num_classes,).
    Raises IndexRangeError for a label outside [0, num_classes), ArgumentError for NaN or infinity.
    """
    given = np.asarray(y)
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise ArgumentError("labels are not finite", where="to_categorical", expected="integers", got="NaN or infinity")
    labels = given.astype(np.int64)
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    labels = labels.ravel()
    if not num_classes:
        num_classes = int(labels.max()) + 1 if labels.size else 0
    wrong = labels[(labels < 0) | (labels >= num_classes)]
    if wrong.size:
        raise IndexRangeError("a label outside the classes", where="to_categorical",
                              expected=f"0 <= label < {num_classes}", got=int(wrong[0]))
    categorical = np.zeros((labels.size, num_classes), dtype=dtype)
    categorical[np.arange(labels.size), labels] = 1
    return categorical.reshape((*shape, num_classes))


def normalize(x: Any, axis: int = -1, order: Any = 2) -> np.ndarray:
    """`x` divided by its norms of the given order along `axis`; zero norms divide by 1."""
    norms = np.atleast_1d(np.linalg.norm(x, order, axis))
    norms[norms == 0] = 1
    return x / np.expand_dims(norms, axis)
