"""Boston housing: prices of houses in 506 districts, and 13 numbers about each.

What does not live here: finding and reading files (files.py).
"""

from __future__ import annotations

import numpy as np

from graphc.errors import ArgumentError
from graphc.frontend_keras.datasets.files import arrays_of, located, same_length

__all__ = ["load_data"]

_ORIGIN = "https://s3.amazonaws.com/keras-datasets/boston_housing.npz"
_HASH = "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"
Pair = tuple[np.ndarray, np.ndarray]


def load_data(path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113) -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test): float64 of shapes (n, 13) and (n,).

    path        of the file, below ~/.keras/datasets or absolute
    test_split  fraction of the samples that is for tests
    seed        of their order: NumPy's global generator is seeded with it

    Raises MissingDataError (an OSError), DataFormatError, ArgumentError.
    """
    if not 0 <= test_split < 1:
        raise ArgumentError("`test_split` is no fraction", where="boston_housing", expected="0 <= test_split < 1",
                            got=test_split)
    file = located(path, _ORIGIN, _HASH)
    x, y = arrays_of(file, "x", "y")
    same_length(file, x, y)
    np.random.seed(seed)
    order = np.arange(len(x))
    np.random.shuffle(order)
    train, test = np.split(order, [int(len(x) * (1 - test_split))])
    return (x[train], y[train]), (x[test], y[test])
