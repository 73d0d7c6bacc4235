"""Images as Pillow's pictures, as arrays, and as files.

What does not live here: changing images (transforms.py), batches of them (iterators.py).
"""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, GraphcError, ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.utils.extras import optional

MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}
CHANNELS = {"rgb": 3, "rgba": 4, "grayscale": 1}
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
_FORMATS = ("channels_first", "channels_last")


class PictureError(GraphcError, OSError):
    """A file that holds no picture, or a broken one."""

    __str__ = GraphcError.__str__


def pillow(where: str, module: str = "PIL.Image") -> Any:
    """A module of Pillow. Raises MissingLibraryError, an ImportError."""
    return optional(module, "image", where)


def known_format(data_format: Any, where: str) -> str:
    """The layout itself, or the global one for None. Raises ArgumentError."""
    found = K.image_data_format() if data_format is None else data_format
    if found not in _FORMATS:
        raise ArgumentError(f"Invalid data_format: {found}", where=where, expected=f"one of {_FORMATS}")
    return str(found)


def known_color_mode(color_mode: Any, where: str) -> str:
    """The word itself. Raises ArgumentError."""
    if color_mode not in MODES:
        raise ArgumentError(f"Invalid color mode: {color_mode}", where=where,
                            expected='"rgb", "rgba", or "grayscale"')
    return str(color_mode)


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> Any:
    """The picture of an image of 1, 3 or 4 channels.

    x            shape (height, width, channels), or with the channels first
    data_format  "channels_last" or "channels_first"; default: the global setting
    scale        whether values are shifted so that none is negative, and stretched so that the largest is 255; else
                 they are taken as they are, without their fractions
    dtype        element type to compute in; default: floatx

    Raises ShapeError, ArgumentError, and MissingLibraryError without Pillow.
    """
    image = pillow("array_to_img")
    data_format = known_format(data_format, "array_to_img")
    x = np.asarray(x, dtype=dtype or K.floatx())
    if x.ndim != 3:
        raise ShapeError("Expected image array to have rank 3 (single image)", where="array_to_img",
                         got=f"array with shape {x.shape}")
    x = x.transpose(1, 2, 0) if data_format == "channels_first" else x
    if x.shape[2] not in CHANNELS.values():
        raise ShapeError(f"Unsupported channel number: {x.shape[2]}", where="array_to_img", expected="1, 3 or 4")
    pixels = (_stretched(x) if scale else x).astype("uint8")
    return image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))


def _stretched(x: np.ndarray) -> np.ndarray:
    x = x + max(-np.min(x), 0)
    largest = np.max(x)
    if largest != 0:
        x /= largest
    x *= 255
    return x


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> np.ndarray:
    """The pixels of a picture: shape (height, width, channels), or with the channels first.

    data_format  "channels_last" or "channels_first"; default: the global setting
    dtype        element type; default: floatx

    Raises ShapeError, ArgumentError.
    """
    data_format = known_format(data_format, "img_to_array")
    x = np.array(img, dtype=dtype or K.floatx())
    if x.ndim == 2:
        x = x[:, :, np.newaxis]
    if x.ndim != 3:
        raise ShapeError(f"Unsupported image shape: {x.shape}", where="img_to_array", expected="rank 2 or 3")
    return x.transpose(2, 0, 1) if data_format == "channels_first" else x


def save_img(path: Any, x: Any, data_format: str | None = None, file_format: str | None = None, scale: bool = True,
             **kwargs: Any) -> None:
    """Write an image as a file.

    path         name or binary file
    x            as for `array_to_img`, and so are `data_format` and `scale`
    file_format  "png", "jpeg" and so on; default: what the name ends with
    kwargs       go to Pillow's save

    Raises what `array_to_img` raises.
    """
    img = array_to_img(x, data_format=data_format, scale=scale)
    if img.mode == "RGBA" and file_format in ("jpg", "jpeg"):
        warn("The JPG format does not support RGBA images, converting to RGB.")
        img = img.convert("RGB")
    img.save(path, format="jpeg" if file_format == "jpg" else file_format, **kwargs)


def load_img(path: Any, grayscale: bool = False, color_mode: str = "rgb", target_size: tuple[int, int] | None = None,
             interpolation: str = "nearest") -> Any:
    """The picture in a file, as Pillow's; the file is closed again.

    path           name or binary file
    grayscale      the same as color_mode="grayscale", with a warning
    color_mode     "rgb", "rgba" or "grayscale": what its pixels become
    target_size    (height, width) that it is resized to; None: as it is
    interpolation  how: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos"

    Raises ArgumentError, PictureError (an OSError), MissingLibraryError without Pillow.
    """
    if grayscale is True:
        warn('grayscale is deprecated. Please use color_mode = "grayscale"')
        color_mode = "grayscale"
    image = pillow("load_img")
    mode = MODES[known_color_mode(color_mode, "load_img")]
    with nullcontext(path) if hasattr(path, "read") else open(path, "rb") as file:
        img = _read(image, file, path)
    if img.mode != mode:
        img = img.convert(mode)
    if target_size is None or img.size == (target_size[1], target_size[0]):
        return img
    if interpolation not in _INTERPOLATIONS:
        raise ArgumentError(f"Invalid interpolation method {interpolation} specified", where="load_img",
                            expected=f"one of {_INTERPOLATIONS}")
    return img.resize((target_size[1], target_size[0]), image.Resampling[interpolation.upper()])


def _read(image: Any, file: Any, path: Any) -> Any:
    try:
        img = image.open(file)
        img.load()
    except MemoryError:
        raise
    except Exception as error:  # whatever the parsers of Pillow meet in a broken file
        raise PictureError("not a picture that can be read", where=str(path), got=f"{error!s:.200}") from error
    return img


def list_pictures(directory: str, ext: str = "jpg|jpeg|bmp|png|ppm") -> list[str]:
    """Paths of the files at and below a folder whose names are letters, digits and _ in front of an ending.

    ext  endings, with | between them
    """
    pattern = re.compile(rf"([\w]+\.(?:{ext}))")
    return [os.path.join(root, name) for root, _, names in os.walk(directory) for name in names
            if pattern.match(name.lower())]
