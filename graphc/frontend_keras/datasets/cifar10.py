"""CIFAR10: small coloured pictures in ten classes.

What does not live here: the format of its files (cifar.py).
"""

from __future__ import annotations

import os

from graphc.frontend_keras.datasets.cifar import Pair, load_batch, pair
from graphc.frontend_keras.datasets.files import located

__all__ = ["load_data"]

_ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"


def load_data() -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test): shapes (50000, 32, 32, 3), (50000, 1), (10000, 32, 32, 3), (10000, 1).

    Pictures are uint8, with the channels where image_data_format says; labels are uint8 for training and int64 for
    tests. The files are those of ~/.keras/datasets/cifar-10-batches-py. Raises MissingDataError (an OSError),
    DataFormatError.
    """
    folder = located("cifar-10-batches-py", _ORIGIN, untar=True)
    train = [load_batch(os.path.join(folder, f"data_batch_{number}")) for number in range(1, 6)]
    return pair(train, "uint8"), pair([load_batch(os.path.join(folder, "test_batch"))], "int64")
