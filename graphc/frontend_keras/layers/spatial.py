"""Layers that make the spatial axes longer or shorter: upsampling, zero padding, cropping.

What does not live here: the functions of K that move elements (backend/shaping.py), convolutions (convolutional.py).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from graphc.errors import ArgumentError, ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.layers.convolutional_base import CONVERT_1, SpatialLayer, numbers

Pairs = tuple[tuple[int, int], ...]

_DIM_ORDERING = {"dim_ordering": "data_format"}
_SIDES_1 = ("top_pad", "bottom_pad", "left_pad", "right_pad")


def pairs(value: Any, count: int, name: str, where: str) -> Pairs:
    """`count` pairs (before, after): one number stands for all, a number in place of a pair for both of its sides.

    Raises ArgumentError for anything else, negative numbers included.
    """
    if _is_index(value):
        value = (value,) * count
    if not isinstance(value, Iterable) or isinstance(value, (str, Mapping)):
        raise ArgumentError(f"`{name}` should be either an int, a tuple of {count} ints, or a tuple of {count} tuples "
                            "of 2 ints", where=where, got=repr(value))
    entries = tuple(value)
    if len(entries) != count:
        raise ArgumentError(f"`{name}` should have {count} elements", where=where, got=repr(value))
    return tuple(pair(entry, f"{name}[{i}]", where) for i, entry in enumerate(entries))


def pair(value: Any, name: str, where: str) -> tuple[int, int]:
    """`value`, one number or two, as two. Raises ArgumentError for anything else, negative numbers included."""
    entries = (value, value) if _is_index(value) else tuple(value) if isinstance(value, Iterable) else ()
    if len(entries) != 2 or not all(_is_index(entry) and entry >= 0 for entry in entries):
        raise ArgumentError(f"The `{name}` argument must be a tuple of 2 integers", where=where,
                            expected="numbers >= 0", got=repr(value))
    return operator.index(entries[0]), operator.index(entries[1])


def _is_index(value: Any) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


class _UpSampling(SpatialLayer):
    """Base of the layers that repeat each place `size` times along each spatial axis."""

    def __init__(self, size: Any, data_format: str | None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.size: Any = numbers(size, self.rank, "size", self.name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "data_format": self.data_format}


class UpSampling1D(_UpSampling):
    """Each step `size` times in a row: (batch, steps, channels) to (batch, size * steps, channels)."""

    rank = 1

    @renamed_keywords({"length": "size"})
    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(size, "channels_last", **kwargs)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.repeat_elements(inputs, self.size[0], axis=1)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "size": self.size[0]}
        del config["data_format"]
        return config


class UpSampling2D(_UpSampling):
    """Images size[0] times as high and size[1] times as wide.

    interpolation  nearest: each pixel is repeated; bilinear: weighted averages of the four nearest pixels, where
                   pixel i of an axis lies at size * i, and what lies behind the last one equals it
    """

    rank = 2

    @renamed_keywords(_DIM_ORDERING, convert=CONVERT_1)
    def __init__(self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest",
                 **kwargs: Any):
        super().__init__(size, data_format, **kwargs)
        if interpolation not in ("nearest", "bilinear"):
            raise ArgumentError("interpolation should be one of \"nearest\" or \"bilinear\"", where=self.name,
                                got=repr(interpolation))
        self.interpolation = interpolation

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.resize_images(inputs, self.size[0], self.size[1], self.data_format, self.interpolation)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "interpolation": self.interpolation}


class UpSampling3D(_UpSampling):
    """Volumes with each voxel repeated size[i] times along spatial axis i."""

    rank = 3

    @renamed_keywords(_DIM_ORDERING, convert=CONVERT_1)
    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any):
        super().__init__(size, data_format, **kwargs)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        depth, height, width = self.size
        return K.resize_volumes(inputs, depth, height, width, self.data_format)


class _ZeroPadding(SpatialLayer):
    """Base of the layers that put zeros around the spatial axes."""

    def __init__(self, padding: Pairs, data_format: str | None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.padding: Any = pairs(padding, self.rank, "padding", self.name)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding, "data_format": self.data_format}


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after the steps; padding is a number for both sides, or (before, after)."""

    rank = 1

    def __init__(self, padding: Any = 1, **kwargs: Any):
        super().__init__((pair(padding, "padding", type(self).__name__),), "channels_last", **kwargs)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.temporal_padding(inputs, padding=self.padding[0])

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "padding": self.padding[0]}
        del config["data_format"]
        return config


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images.

    padding  a number for all four sides, (rows, columns) with one number for both sides of an axis, or
             ((top, bottom), (left, right)); the dictionary of Keras 1 with top_pad, ... is taken with a warning
    """

    rank = 2

    @renamed_keywords(_DIM_ORDERING, convert=CONVERT_1)
    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any):
        super().__init__(_sides(padding), data_format, **kwargs)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.spatial_2d_padding(inputs, padding=self.padding, data_format=self.data_format)


def _sides(padding: Any) -> Any:
    """The pairs that a dictionary of Keras 1 names; anything else stays."""
    if not isinstance(padding, Mapping) or not set(padding) <= set(_SIDES_1):
        return padding
    top, bottom, left, right = (padding.get(side, 0) for side in _SIDES_1)
    found = (top, bottom), (left, right)
    warn(f"Update your `ZeroPadding2D` call to the Keras 2 API: padding={found}")
    return found


class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes; padding is a number, one number for each axis, or a pair for each axis."""

    rank = 3

    @renamed_keywords(_DIM_ORDERING, convert=CONVERT_1)
    def __init__(self, padding: Any = (1, 1, 1), data_format: str | None = None, **kwargs: Any):
        super().__init__(padding, data_format, **kwargs)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.spatial_3d_padding(inputs, padding=self.padding, data_format=self.data_format)


class _Cropping(SpatialLayer):
    """Base of the layers that cut off both ends of the spatial axes. Raises ShapeError for more than there is."""

    def __init__(self, cropping: Pairs, data_format: str | None, **kwargs: Any):
        super().__init__(data_format=data_format, **kwargs)
        self.cropping: Any = pairs(cropping, self.rank, "cropping", self.name)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        shape = K.int_shape(inputs)
        kept = [slice(None)] * len(shape)
        for axis, (before, after) in zip(self.spatial_axes, self.cropping):
            size = shape[axis]
            if size is not None and size < before + after:
                raise ShapeError("the input is smaller than what is cut off", where=self.name,
                                 expected=f"at least {before + after} elements along axis {axis}",
                                 got=f"input_shape {shape} with data_format={self.data_format!r}",
                                 fix=f"Make cropping={self.cropping} smaller.")
            kept[axis] = slice(before, -after if after else None)
        return inputs[tuple(kept)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cropping": self.cropping, "data_format": self.data_format}


class Cropping1D(_Cropping):
    """Fewer steps at both ends; cropping is a number for both, or (first, last)."""

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any):
        super().__init__((pair(cropping, "cropping", type(self).__name__),), "channels_last", **kwargs)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "cropping": self.cropping[0]}
        del config["data_format"]
        return config


class Cropping2D(_Cropping):
    """Smaller images; cropping is a number, (rows, columns), or ((top, bottom), (left, right))."""

    rank = 2

    @renamed_keywords(_DIM_ORDERING, convert=CONVERT_1)
    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """Smaller volumes; cropping is a number, one number for each axis, or a pair for each axis."""

    rank = 3

    @renamed_keywords(_DIM_ORDERING, convert=CONVERT_1)
    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any):
        super().__init__(cropping, data_format, **kwargs)
