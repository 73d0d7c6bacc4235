"""MNIST: grey pictures of handwritten digits.

What does not live here: finding and reading files (files.py).
"""

from __future__ import annotations

import numpy as np

from graphc.frontend_keras.datasets.files import arrays_of, located, same_length

__all__ = ["load_data"]

_ORIGIN = "https://s3.amazonaws.com/img-datasets/mnist.npz"
_HASH = "8a61469f7ea1b51cbae51d4f78837e45"
Pair = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "mnist.npz") -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test): uint8 of shapes (60000, 28, 28), (60000,), (10000, 28, 28), (10000,).

    path  of the file, below ~/.keras/datasets or absolute

    Raises MissingDataError (an OSError), DataFormatError.
    """
    file = located(path, _ORIGIN, _HASH)
    x_train, y_train, x_test, y_test = arrays_of(file, "x_train", "y_train", "x_test", "y_test")
    same_length(file, x_train, y_train)
    same_length(file, x_test, y_test)
    return (x_train, y_train), (x_test, y_test)
