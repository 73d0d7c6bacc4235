"""Fashion-MNIST: grey pictures of clothes in ten classes.

What does not live here: finding and reading files (files.py).
"""

from __future__ import annotations

import os

import numpy as np

from graphc.frontend_keras.datasets.files import idx_of, located, same_length

__all__ = ["load_data"]

_ORIGIN = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
Pair = tuple[np.ndarray, np.ndarray]


def load_data() -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test): uint8 of shapes (60000, 28, 28), (60000,), (10000, 28, 28), (10000,).

    The four files are those of the data set, in ~/.keras/datasets/fashion-mnist. Raises MissingDataError (an OSError),
    DataFormatError.
    """
    return _part("train"), _part("t10k")


def _part(name: str) -> Pair:
    labels, images = f"{name}-labels-idx1-ubyte.gz", f"{name}-images-idx3-ubyte.gz"
    folder = os.path.join("datasets", "fashion-mnist")
    y = idx_of(located(labels, _ORIGIN + labels, cache_subdir=folder), 1)
    x = idx_of(located(images, _ORIGIN + images, cache_subdir=folder), 3)
    same_length(images, x, y)
    return x, y
