"""Transposed convolutions: from the shape of a convolution's output back to the shape of its input.

What does not live here: what all convolutions share (convolutional_base.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.layers.convolutional_base import CONVERT_1, KERAS_1, Convolution, sizes_apart
from graphc.frontend_keras.layers.convolutional_plain import Conv2D, Conv3D


def _without_output_shape(method: Callable[..., Any]) -> Callable[..., Any]:
    """Keras 1 wanted the shape of the output, behind the sizes or by name; it follows from the other arguments."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        behind = len(args) == 4 and isinstance(args[3], tuple) and all(isinstance(size, int) for size in args[1:3])
        if behind or "output_shape" in kwargs:
            kwargs.pop("output_shape", None)
            args = args[:3] if behind else args
            warn(f"Update your `{type(self).__name__}` call to the Keras 2 API: without `output_shape`")
        return method(self, *args, **kwargs)

    return wrapper


class _Transposed(Convolution):
    """Base of the transposed convolutions: from the shape of a convolution's output back to that of its input.

    output_padding  how much larger each axis of the output is than the smallest that fits; less than the strides
    """

    def _take_output_padding(self, value: Any) -> None:
        self.output_padding = value
        if value is None:
            return
        alone = isinstance(value, int)
        self.output_padding = tuple(int(v) for v in ((value,) * self.rank if alone else value))
        if len(self.output_padding) != self.rank or any(
                not 0 <= out < stride for out, stride in zip(self.output_padding, self.strides)):
            raise ArgumentError("`output_padding` is not below the strides on each axis", where=self.name,
                                expected=f"{self.rank} numbers below {self.strides}", got=repr(value))

    def kernel_shape(self, channels: int) -> tuple[int, ...]:
        return (*self.kernel_size, self.filters, channels)

    def convolve(self, inputs: Any) -> Any:
        known, sizes = K.int_shape(inputs), K.shape(inputs)
        extents = [self._extent(sizes[axis] if known[axis] is None else known[axis], i)
                   for i, axis in enumerate(self.spatial_axes)]
        whole = ((sizes[0], self.filters, *extents) if self.data_format == "channels_first"
                 else (sizes[0], *extents, self.filters))
        if self.rank == 3:
            return K.conv3d_transpose(inputs, self.kernel, whole, self.strides, padding=self.padding,
                                      data_format=self.data_format)
        return K.conv2d_transpose(inputs, self.kernel, whole, self.strides, padding=self.padding,
                                  data_format=self.data_format, dilation_rate=self.dilation_rate)

    def _extent(self, places: Any, i: int) -> Any:
        """The size of the output along spatial axis `i` for an input of `places`, a number or a tensor."""
        stride, size = self.strides[i], (self.kernel_size[i] - 1) * self.dilation_rate[i] + 1
        if self.output_padding is None:
            return places * stride + (max(size - stride, 0) if self.padding == "valid" else 0)
        around = size // 2 if self.padding == "same" else 0
        return places * stride + (size - stride - 2 * around + self.output_padding[i])


class Conv2DTranspose(_Transposed, Conv2D):
    """A transposed convolution of images (often called deconvolution).

    output_padding  see _Transposed; None takes input * strides under same, and no less than one kernel under valid

    Weights: kernel (rows, columns, filters, channels), bias (filters,).
    """

    rank = 2

    @_without_output_shape
    @sizes_apart("nb_row", "nb_col")
    @renamed_keywords(KERAS_1, convert=CONVERT_1)
    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 output_padding: Any = None, data_format: str | None = None, dilation_rate: Any = (1, 1),
                 activation: Any = None, use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, bias_constraint: Any = None,
                 **kwargs: Any):
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
        self._take_output_padding(output_padding)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "output_padding": self.output_padding}


class Conv3DTranspose(_Transposed, Conv3D):
    """A transposed convolution of volumes.

    Weights: kernel (*sizes, filters, channels), bias (filters,).
    """

    rank = 3

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid",
                 output_padding: Any = None, data_format: str | None = None, activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(filters, kernel_size, strides, padding, data_format, 1, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
        self._take_output_padding(output_padding)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "output_padding": self.output_padding}
        del config["dilation_rate"]
        return config
