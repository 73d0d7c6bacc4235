"""One image changed: moved, turned, stretched, flipped, other in colour; as told or at random.

Random values come from NumPy's global generator. An image is an array of rank 3; the axes of its rows, columns and
channels are arguments.

What does not live here: which changes an image of a batch undergoes (generator.py).
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from graphc.errors import ArgumentError
from graphc.frontend_keras.preprocessing.image.pictures import array_to_img, img_to_array, pillow
from graphc.frontend_keras.utils.extras import optional


def random_rotation(x: np.ndarray, rg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                    fill_mode: str = "nearest", cval: float = 0.0) -> np.ndarray:
    """Turned by an angle between -rg and rg degrees; see `apply_affine_transform` and `_moved` for the rest."""
    return _moved(x, channel_axis, fill_mode, cval, theta=np.random.uniform(-rg, rg))


def random_shift(x: np.ndarray, wrg: float, hrg: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                 fill_mode: str = "nearest", cval: float = 0.0) -> np.ndarray:
    """Shifted by up to the fraction `hrg` of its height and then `wrg` of its width, either way."""
    tx = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    ty = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return _moved(x, channel_axis, fill_mode, cval, tx=tx, ty=ty)


def random_shear(x: np.ndarray, intensity: float, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                 fill_mode: str = "nearest", cval: float = 0.0) -> np.ndarray:
    """Sheared by an angle between -intensity and intensity degrees."""
    return _moved(x, channel_axis, fill_mode, cval, shear=np.random.uniform(-intensity, intensity))


def random_zoom(x: np.ndarray, zoom_range: Any, row_axis: int = 1, col_axis: int = 2, channel_axis: int = 0,
                fill_mode: str = "nearest", cval: float = 0.0) -> np.ndarray:
    """Rows and columns zoomed, each by its own factor between the two of `zoom_range`; below 1 it grows.

    Raises ArgumentError unless there are two.
    """
    zx, zy = random_zooms(zoom_range, "random_zoom")
    return _moved(x, channel_axis, fill_mode, cval, zx=zx, zy=zy)


def _moved(x: np.ndarray, channel_axis: int, fill_mode: str, cval: float, **transform: Any) -> np.ndarray:
    """As Keras 2.2.4: the middle is that of axes 0 and 1, wherever rows and columns are said to be."""
    return apply_affine_transform(x, channel_axis=channel_axis, fill_mode=fill_mode, cval=cval, **transform)


def random_zooms(zoom_range: Any, where: str) -> tuple[float, float]:
    """Two factors between those of `zoom_range`; nothing is drawn where both are 1. Raises ArgumentError."""
    least, most = two_numbers(zoom_range, "zoom_range", where)
    if least == 1 and most == 1:
        return 1, 1
    zx, zy = np.random.uniform(least, most, 2)
    return zx, zy


def two_numbers(values: Any, name: str, where: str) -> tuple[float, float]:
    """The two items of a tuple or list. Raises ArgumentError."""
    if np.ndim(values) != 1 or len(values) != 2:
        raise ArgumentError(f"`{name}` should be a tuple or list of two floats", where=where, got=repr(values))
    return values[0], values[1]


def apply_channel_shift(x: np.ndarray, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """`intensity` added to all values, none of which leaves the range that they had."""
    return np.clip(x + float(intensity), np.min(x), np.max(x))


def random_channel_shift(x: np.ndarray, intensity_range: float, channel_axis: int = 0) -> np.ndarray:
    """`apply_channel_shift` by a number between -intensity_range and intensity_range."""
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range), channel_axis)


def apply_brightness_shift(x: np.ndarray, brightness: float) -> np.ndarray:
    """`brightened` with the channels last, which is what Keras has."""
    return brightened(x, brightness, "channels_last")


def brightened(x: np.ndarray, brightness: float, data_format: str) -> np.ndarray:
    """As bright as `brightness` times the image, whose values `array_to_img` first stretches to 0 to 255.

    Values come back as whole numbers from 0 to 255, as float32. Raises MissingLibraryError without Pillow.
    """
    enhance = pillow("apply_brightness_shift", "PIL.ImageEnhance")
    picture = array_to_img(x, data_format, dtype="float32")
    return img_to_array(enhance.Brightness(picture).enhance(float(brightness)), data_format, dtype="float32")


def random_brightness(x: np.ndarray, brightness_range: Any) -> np.ndarray:
    """`apply_brightness_shift` by a number between the two of `brightness_range`. Raises ArgumentError."""
    return apply_brightness_shift(x, np.random.uniform(*two_numbers(brightness_range, "brightness_range",
                                                                    "random_brightness")))


def transform_matrix_offset_center(matrix: np.ndarray, x: float, y: float) -> np.ndarray:
    """The 3 x 3 matrix that does about the middle of an image of x rows and y columns what `matrix` does about 0."""
    row, column = float(x) / 2 + 0.5, float(y) / 2 + 0.5
    return reduce(np.dot, [_shift(row, column), matrix, _shift(-row, -column)])


def apply_affine_transform(x: np.ndarray, theta: float = 0, tx: float = 0, ty: float = 0, shear: float = 0,
                           zx: float = 1, zy: float = 1, row_axis: int = 0, col_axis: int = 1, channel_axis: int = 2,
                           fill_mode: str = "nearest", cval: float = 0.0) -> np.ndarray:
    """An image turned, shifted, sheared and zoomed about its middle, with linear interpolation.

    theta, shear  angles in degrees
    tx, ty        shifts of rows and of columns, in pixels
    zx, zy        factors of rows and of columns; below 1 the image grows
    row_axis, col_axis, channel_axis  where these are
    fill_mode     what is beyond the edges: "constant" (cval), "nearest", "reflect" or "wrap"

    Returns an image of the same shape and type; `x` itself where nothing changes.
    Raises MissingLibraryError without SciPy.
    """
    steps = list(_steps(theta, tx, ty, shear, zx, zy))
    if not steps:
        return x
    ndimage = optional("scipy.ndimage", "image", "apply_affine_transform")
    matrix = transform_matrix_offset_center(reduce(np.dot, steps), x.shape[row_axis], x.shape[col_axis])
    channels = [ndimage.affine_transform(channel, matrix[:2, :2], matrix[:2, 2], order=1, mode=fill_mode, cval=cval)
                for channel in np.moveaxis(x, channel_axis, 0)]
    return np.moveaxis(np.stack(channels), 0, channel_axis)


def _steps(theta: float, tx: float, ty: float, shear: float, zx: float, zy: float) -> Any:
    if theta != 0:
        sine, cosine = np.sin(np.deg2rad(theta)), np.cos(np.deg2rad(theta))
        yield np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    if tx != 0 or ty != 0:
        yield _shift(tx, ty)
    if shear != 0:
        sine, cosine = np.sin(np.deg2rad(shear)), np.cos(np.deg2rad(shear))
        yield np.array([[1, -sine, 0], [0, cosine, 0], [0, 0, 1]])
    if zx != 1 or zy != 1:
        yield np.diag([zx, zy, 1.0])


def _shift(rows: float, columns: float) -> np.ndarray:
    return np.array([[1, 0, rows], [0, 1, columns], [0, 0, 1]], dtype=np.float64)


def flip_axis(x: Any, axis: int) -> np.ndarray:
    """The other way round along an axis."""
    return np.flip(np.asarray(x), axis)
