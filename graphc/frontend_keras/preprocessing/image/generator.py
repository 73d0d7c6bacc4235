"""ImageDataGenerator: which random changes images undergo, and how they are normalised.

What does not live here: the changes themselves (transforms.py), batches (iterators.py), what normalising needs to know
of a data set (statistics.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.preprocessing.image.array_iterator import NumpyArrayIterator
from graphc.frontend_keras.preprocessing.image.dataframe_iterator import DataFrameIterator
from graphc.frontend_keras.preprocessing.image.directory_iterator import DirectoryIterator
from graphc.frontend_keras.preprocessing.image.pictures import known_format
from graphc.frontend_keras.preprocessing.image.statistics import Statistics
from graphc.frontend_keras.preprocessing.image.transforms import (
                                                                  apply_affine_transform,
                                                                  apply_channel_shift,
                                                                  brightened,
                                                                  flip_axis,
                                                                  random_zooms,
                                                                  two_numbers,
)

_WHERE = "ImageDataGenerator"


class ImageDataGenerator(Statistics):
    """Images in batches, each changed at random and normalised.

    featurewise_center, featurewise_std_normalization  by mean and deviation of each channel over a data set, see `fit`
    samplewise_center, samplewise_std_normalization    by mean and deviation of each image
    zca_whitening, zca_epsilon  values decorrelated over a data set, see `fit`
    rotation_range      degrees, either way
    width_shift_range, height_shift_range  a float below 1: fraction of the size, either way; any other float: pixels,
                        either way; an int n: whole pixels, less than n, either way; a list: one of it, either way
    brightness_range    (least, most) factor
    shear_range         degrees, either way
    zoom_range          (least, most) factor of rows and columns, or a number z: (1 - z, 1 + z)
    channel_shift_range what is added to all values, either way
    fill_mode, cval     what is beyond the edges, see `apply_affine_transform`
    horizontal_flip, vertical_flip  whether every second image, at random, is flipped
    rescale             factor of all values; None or 0: none
    preprocessing_function  of one image, after the changes and before `rescale`
    data_format         "channels_last" or "channels_first"; default: the global setting
    validation_split    fraction of the samples that subset="validation" is
    dtype               element type of batches; default: floatx

    Random values come from NumPy's global generator. Raises ArgumentError.
    """

    def __init__(self, featurewise_center: bool = False, samplewise_center: bool = False,
                 featurewise_std_normalization: bool = False, samplewise_std_normalization: bool = False,
                 zca_whitening: bool = False, zca_epsilon: float = 1e-6, rotation_range: float = 0,
                 width_shift_range: Any = 0.0, height_shift_range: Any = 0.0, brightness_range: Any = None,
                 shear_range: float = 0.0, zoom_range: Any = 0.0, channel_shift_range: float = 0.0,
                 fill_mode: str = "nearest", cval: float = 0.0, horizontal_flip: bool = False,
                 vertical_flip: bool = False, rescale: float | None = None,
                 preprocessing_function: Callable[[np.ndarray], np.ndarray] | None = None,
                 data_format: str | None = None, validation_split: float = 0.0, dtype: Any = None):
        self.featurewise_center, self.samplewise_center = featurewise_center, samplewise_center
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range, self.channel_shift_range = brightness_range, channel_shift_range
        self.fill_mode, self.cval = fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.dtype = dtype or K.floatx()
        self.data_format = known_format(data_format, _WHERE)
        self.channel_axis, self.row_axis, self.col_axis = (
            (1, 2, 3) if self.data_format == "channels_first" else (3, 1, 2))
        if validation_split and not 0 < validation_split < 1:
            raise ArgumentError("`validation_split` must be strictly between 0 and 1", where=_WHERE,
                                got=validation_split)
        self._validation_split = validation_split
        if np.ndim(zoom_range) == 0:
            zoom_range = (1 - zoom_range, 1 + zoom_range)
        self.zoom_range = list(two_numbers(zoom_range, "zoom_range", _WHERE))
        self.mean = self.std = self.principal_components = None
        self._settle()

    def _settle(self) -> None:
        """Switch on what other switches need, and off what they exclude, with a warning."""
        for name, other, value in (("zca_whitening", "featurewise_center", True),
                                   ("zca_whitening", "featurewise_std_normalization", False),
                                   ("featurewise_std_normalization", "featurewise_center", True),
                                   ("samplewise_std_normalization", "samplewise_center", True)):
            if getattr(self, name) and bool(getattr(self, other)) != value:
                setattr(self, other, value)
                warn(f"This ImageDataGenerator specifies `{name}`, which overrides setting of `{other}`.")

    def flow(self, x: Any, y: Any = None, batch_size: int = 32, shuffle: bool = True, sample_weight: Any = None,
             seed: int | None = None, save_to_dir: str | None = None, save_prefix: str = "",
             save_format: str = "png", subset: str | None = None) -> NumpyArrayIterator:
        """Batches of the images of an array; see NumpyArrayIterator."""
        return NumpyArrayIterator(x, y, self, batch_size=batch_size, shuffle=shuffle, sample_weight=sample_weight,
                                  seed=seed, data_format=self.data_format, save_to_dir=save_to_dir,
                                  save_prefix=save_prefix, save_format=save_format, subset=subset, dtype=self.dtype)

    def flow_from_directory(self, directory: Any, target_size: Any = (256, 256), color_mode: str = "rgb",
                            classes: Any = None, class_mode: str | None = "categorical", batch_size: int = 32,
                            shuffle: bool = True, seed: int | None = None, save_to_dir: str | None = None,
                            save_prefix: str = "", save_format: str = "png", follow_links: bool = False,
                            subset: str | None = None, interpolation: str = "nearest") -> DirectoryIterator:
        """Batches of the images in a folder, whose subfolders are the classes; see DirectoryIterator."""
        return DirectoryIterator(directory, self, target_size=target_size, color_mode=color_mode, classes=classes,
                                 class_mode=class_mode, data_format=self.data_format, batch_size=batch_size,
                                 shuffle=shuffle, seed=seed, save_to_dir=save_to_dir, save_prefix=save_prefix,
                                 save_format=save_format, follow_links=follow_links, subset=subset,
                                 interpolation=interpolation, dtype=self.dtype)

    def flow_from_dataframe(self, dataframe: Any, directory: Any, x_col: str = "filename", y_col: Any = "class",
                            has_ext: bool = True, target_size: Any = (256, 256), color_mode: str = "rgb",
                            classes: Any = None, class_mode: str | None = "categorical", batch_size: int = 32,
                            shuffle: bool = True, seed: int | None = None, save_to_dir: str | None = None,
                            save_prefix: str = "", save_format: str = "png", subset: str | None = None,
                            interpolation: str = "nearest") -> DataFrameIterator:
        """Batches of the images that a table names; see DataFrameIterator."""
        return DataFrameIterator(dataframe, directory, self, x_col=x_col, y_col=y_col, has_ext=has_ext,
                                 target_size=target_size, color_mode=color_mode, classes=classes,
                                 class_mode=class_mode, data_format=self.data_format, batch_size=batch_size,
                                 shuffle=shuffle, seed=seed, save_to_dir=save_to_dir, save_prefix=save_prefix,
                                 save_format=save_format, subset=subset, interpolation=interpolation,
                                 dtype=self.dtype)

    def get_random_transform(self, img_shape: Any, seed: int | None = None) -> dict[str, Any]:
        """Random parameters for `apply_transform` on an image of this shape; NumPy's generator is seeded, if told."""
        if seed is not None:
            np.random.seed(seed)
        parameters: dict[str, Any] = {"theta": _either_way(self.rotation_range)}
        parameters["tx"] = _shift(self.height_shift_range, img_shape[self.row_axis - 1])
        parameters["ty"] = _shift(self.width_shift_range, img_shape[self.col_axis - 1])
        parameters["shear"] = _either_way(self.shear_range)
        parameters["zx"], parameters["zy"] = random_zooms(self.zoom_range, _WHERE)
        parameters["flip_horizontal"] = np.random.random() < 0.5 and bool(self.horizontal_flip)
        parameters["flip_vertical"] = np.random.random() < 0.5 and bool(self.vertical_flip)
        parameters["channel_shift_intensity"] = _either_way(self.channel_shift_range) or None
        parameters["brightness"] = None if self.brightness_range is None else np.random.uniform(
            *two_numbers(self.brightness_range, "brightness_range", _WHERE))
        return parameters

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """An image changed as told; one of the same shape.

        transform_parameters  theta, tx, ty, shear, zx, zy as for `apply_affine_transform`; channel_shift_intensity,
                              what is added; flip_horizontal, flip_vertical; brightness, a factor. Any may be missing.
        """
        told = transform_parameters
        moves = {name: told[name] for name in ("theta", "tx", "ty", "shear", "zx", "zy") if name in told}
        rows, columns, channels = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        x = apply_affine_transform(x, **moves, row_axis=rows, col_axis=columns, channel_axis=channels,
                                   fill_mode=self.fill_mode, cval=self.cval)
        if told.get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, told["channel_shift_intensity"], channels)
        if told.get("flip_horizontal"):
            x = flip_axis(x, columns)
        if told.get("flip_vertical"):
            x = flip_axis(x, rows)
        if told.get("brightness") is not None:
            x = brightened(x, told["brightness"], self.data_format)
        return x

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """`apply_transform` with the parameters of `get_random_transform`."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))


def _either_way(most: float) -> float:
    """A number between -most and most; nothing is drawn for 0."""
    return np.random.uniform(-most, most) if most else 0


def _shift(wanted: Any, size: int) -> float:
    """Pixels to shift by; nothing is drawn for 0 or an empty list."""
    if np.size(wanted) == 0 or (np.ndim(wanted) == 0 and not wanted):
        return 0
    if np.ndim(wanted) == 0 and not (isinstance(wanted, (int, np.integer)) and wanted > 0):
        shift = np.random.uniform(-wanted, wanted)
    else:
        shift = np.random.choice(wanted) * np.random.choice([-1, 1])
    return shift * size if np.max(wanted) < 1 else shift
