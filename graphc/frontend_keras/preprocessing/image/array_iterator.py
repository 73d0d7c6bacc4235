"""Batches of the images of an array.

What does not live here: the order, the random changes (iterators.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.preprocessing.image.iterators import ImageIterator, split_of
from graphc.frontend_keras.preprocessing.image.pictures import known_format

_WHERE = "NumpyArrayIterator"


def warn_of_channels(shape: tuple[int, ...], axis: int, data_format: str, where: str) -> None:
    """Warn where images of this shape have other than 1, 3 or 4 channels."""
    if shape[axis] not in (1, 3, 4):
        warn(f"{where} follows the data format convention \"{data_format}\" (channels on axis {axis}), i.e. "
             f"expected either 1, 3 or 4 channels on axis {axis}. However, it was passed an array with shape "
             f"{shape} ({shape[axis]} channels).")


class NumpyArrayIterator(ImageIterator):
    """Batches of changed images: x, (x, y) or (x, y, sample weights).

    x                     images of shape (n, height, width, channels), or with the channels first; or a pair of them
                          and an array, or a list of arrays, that go along unchanged: x of a batch is then a list
    y                     labels, or None
    image_data_generator  says how images are changed
    sample_weight         numbers, or None
    subset                "training" or "validation": the part that the generator's validation_split says; None: all
    data_format           default: the global setting
    save_to_dir           folder where each image of each batch is written, too; with `save_prefix`, `save_format`
    dtype                 element type of images; default: floatx

    batch_size, shuffle and seed are those of Iterator. Raises ArgumentError, ShapeError.
    """

    def __init__(self, x: Any, y: Any, image_data_generator: Any, batch_size: int = 32, shuffle: bool = False,
                 sample_weight: Any = None, seed: int | None = None, data_format: str | None = None,
                 save_to_dir: str | None = None, save_prefix: str = "", save_format: str = "png",
                 subset: str | None = None, dtype: Any = None):
        self.dtype = dtype or K.floatx()
        self.data_format = known_format(data_format, _WHERE)
        self.image_data_generator = image_data_generator
        self.save_to_dir, self.save_prefix, self.save_format = save_to_dir, save_prefix, save_format
        x, along = _taken_apart(x)
        for name, other in (("y", y), ("sample_weight", sample_weight), *(("x[1]", one) for one in along)):
            _check_length(x, name, other)
        part = _part(len(x), y, split_of(subset, image_data_generator, _WHERE))
        self.x = np.asarray(x[part], dtype=self.dtype)
        self.x_misc = [one[part] for one in along]
        self.y = None if y is None else np.asarray(y)[part]
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)[part]
        if self.x.ndim != 4:
            raise ShapeError("Input data in `NumpyArrayIterator` should have rank 4", where=_WHERE,
                             got=f"an array with shape {self.x.shape}")
        channel_axis = 3 if self.data_format == "channels_last" else 1
        warn_of_channels(self.x.shape, channel_axis, self.data_format, _WHERE)
        self.image_shape = self.x.shape[1:]
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _image(self, row: int) -> np.ndarray:
        return self.x[row].astype(self._computed_in())

    def _with_labels(self, images: np.ndarray, rows: np.ndarray) -> Any:
        x = [images, *(one[rows] for one in self.x_misc)] if self.x_misc else images
        if self.y is None:
            return x
        weights = () if self.sample_weight is None else (self.sample_weight[rows],)
        return (x, self.y[rows], *weights)


def _taken_apart(x: Any) -> tuple[Any, list[np.ndarray]]:
    if not isinstance(x, (tuple, list)):
        return x, []
    if len(x) != 2:
        raise ArgumentError("`x` is no pair of images and what goes along", where=_WHERE, got=f"{len(x)} items")
    images, along = x
    return images, [np.asarray(one) for one in (along if isinstance(along, list) else [along])]


def _check_length(x: Any, name: str, other: Any) -> None:
    if other is not None and len(other) != len(x):
        what = f"`x` (images tensor) and `{name}` (labels)" if name == "y" else f"All of the arrays in `x` and `{name}`"
        raise ArgumentError(f"{what} should have the same length", where=_WHERE,
                            got=f"x.shape = {np.shape(x)}, {name}.shape = {np.shape(other)}")


def _part(count: int, y: Any, split: tuple[float, float] | None) -> slice:
    """The rows of a subset. Raises ArgumentError where its classes are not those of the other one."""
    if split is None:
        return slice(None)
    start, stop = int(split[0] * count), int(split[1] * count)
    border = stop if split[0] == 0 else start
    if y is not None and not np.array_equal(np.unique(y[:border]), np.unique(y[border:])):
        raise ArgumentError("Training and validation subsets have different number of classes after the split",
                            where=_WHERE, fix="If your numpy arrays are sorted by the label, you might want to "
                            "shuffle them.")
    return slice(start, stop)
