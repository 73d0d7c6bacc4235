"""The shape of an image that an application takes: the default, or the caller's where it fits.

What does not live here: making the input (frame.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import ShapeError, warn
from graphc.frontend_keras import backend as K

Shape = tuple[int | None, ...]


def obtain_input_shape(input_shape: Sequence[int | None] | None, default_size: int, min_size: int,
                       data_format: str, require_flatten: bool, weights: Any = None) -> Shape:
    """The shape of one image.

    input_shape      three sizes, None for any; None for the default
    default_size     rows and columns where the caller leaves them open
    min_size         fewest rows and columns
    data_format      which axis holds the channels
    require_flatten  whether a classifier follows, which needs known sizes
    weights          "imagenet" demands 3 channels, and with a classifier the default size

    Raises ShapeError (a ValueError). Warns about channels other than 1 or 3.
    """
    first = data_format == "channels_first"
    pretrained = isinstance(weights, str) and weights == "imagenet"
    channels: int | None = 3
    if input_shape:
        input_shape = tuple(input_shape)
        if len(input_shape) != 3:
            raise ShapeError("`input_shape` must be a tuple of three integers", where="input_shape", got=input_shape)
        channels = input_shape[0 if first else -1]
        _check_channels(channels, pretrained, input_shape)
    default = _shape(first, channels, default_size)
    if pretrained and require_flatten:
        if input_shape and input_shape != default:
            raise ShapeError("When setting `include_top=True` and loading `imagenet` weights, `input_shape` should be "
                             f"{default}", where="input_shape", got=input_shape)
        return default
    if not input_shape:
        return default if require_flatten else _shape(first, 3, None)
    if any(size is not None and size < min_size for size in spatial(input_shape, data_format)):
        raise ShapeError(f"Input size must be at least {min_size}x{min_size}", where="input_shape",
                         got=f"`input_shape={input_shape}` with data_format={data_format!r}")
    if require_flatten and None in input_shape:
        raise ShapeError("If `include_top` is True, you should specify a static `input_shape`", where="input_shape",
                         got=f"`input_shape={input_shape}`")
    return tuple(input_shape)


def _shape(channels_first: bool, channels: int | None, size: int | None) -> Shape:
    return (channels, size, size) if channels_first else (size, size, channels)


def _check_channels(channels: int | None, pretrained: bool, input_shape: Any) -> None:
    if pretrained and channels != 3:
        raise ShapeError("The input must have 3 channels", where="input_shape", got=f"`input_shape={input_shape}`")
    if channels not in (1, 3):
        warn(f"This model usually expects 1 or 3 input channels. However, it was passed an input_shape with "
             f"{channels} input channels.")


def spatial(shape: Sequence[Any], data_format: str | None = None) -> tuple[Any, ...]:
    """Rows and columns of an image's shape, which may begin with a batch axis."""
    image = tuple(shape)[-3:]
    return image[1:] if (data_format or K.image_data_format()) == "channels_first" else image[:2]


def square_size(shape: Sequence[Any] | None, published: Sequence[int], otherwise: int) -> int:
    """The size of a square image of one of the published sizes, else `otherwise`."""
    if shape is None:
        return otherwise
    rows, columns = spatial(shape)
    return rows if rows == columns and rows in published else otherwise
