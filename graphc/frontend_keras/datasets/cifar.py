"""What CIFAR10 and CIFAR100 have in common: batches of 32 x 32 pictures as pickles of Python 2.

What does not live here: finding and reading files (files.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.datasets.files import DataFormatError, pickle_of

Pair = tuple[np.ndarray, np.ndarray]


def load_batch(fpath: str, label_key: str = "labels") -> tuple[np.ndarray, list[int]]:
    """The pictures of a file, uint8 of shape (n, 3, 32, 32), and their labels.

    Raises DataFormatError, PickleError, OSError.
    """
    found = pickle_of(fpath)
    data, labels = (_entry(found, key, fpath) for key in ("data", label_key))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise DataFormatError("no pictures of 32 x 32 x 3 bytes", where=fpath, got=getattr(data, "shape", type(data)))
    if not isinstance(labels, list) or len(labels) != len(data) or not all(
            type(label) is int and 0 <= label < 256 for label in labels):
        raise DataFormatError("no label for each picture", where=fpath, expected=f"{len(data)} numbers")
    return data.reshape(len(data), 3, 32, 32), labels


def _entry(found: Any, key: str, fpath: str) -> Any:
    for name in (key.encode(), key):
        if isinstance(found, dict) and name in found:
            return found[name]
    raise DataFormatError(f"the file holds no {key}", where=fpath)


def pair(batches: list[tuple[np.ndarray, list[int]]], dtype: str) -> Pair:
    """Pictures of several files with the channels where the global setting has them, and labels of shape (n, 1)."""
    x = np.concatenate([images for images, _ in batches])
    y = np.array([label for _, labels in batches for label in labels], dtype=dtype).reshape(-1, 1)
    return (x.transpose(0, 2, 3, 1) if K.image_data_format() == "channels_last" else x), y
