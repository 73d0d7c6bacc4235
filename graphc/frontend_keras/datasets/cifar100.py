"""CIFAR100: small coloured pictures in a hundred classes, or in twenty.

What does not live here: the format of its files (cifar.py).
"""

from __future__ import annotations

import os

from graphc.errors import ArgumentError
from graphc.frontend_keras.datasets.cifar import Pair, load_batch, pair
from graphc.frontend_keras.datasets.files import located

__all__ = ["load_data"]

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"


def load_data(label_mode: str = "fine") -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test): shapes (50000, 32, 32, 3), (50000, 1), (10000, 32, 32, 3), (10000, 1).

    label_mode  "fine": labels below 100; "coarse": below 20

    Pictures are uint8, with the channels where image_data_format says; labels are int64. The files are those of
    ~/.keras/datasets/cifar-100-python. Raises ArgumentError, MissingDataError (an OSError), DataFormatError.
    """
    if label_mode not in ("fine", "coarse"):
        raise ArgumentError("`label_mode` must be one of `\"fine\"`, `\"coarse\"`", where="cifar100", got=label_mode)
    folder = located("cifar-100-python", _ORIGIN, untar=True)
    train, test = (load_batch(os.path.join(folder, name), f"{label_mode}_labels") for name in ("train", "test"))
    return pair([train], "int64"), pair([test], "int64")
