"""Convolutions of each channel on its own: DepthwiseConv2D, and with a mixture of the channels SeparableConv1D, 2D.

What does not live here: what all convolutions share (convolutional_base.py).
"""

from __future__ import annotations

from typing import Any

from graphc.errors import warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import constraints, initializers, regularizers
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.engine.shapes import positive
from graphc.frontend_keras.layers.convolutional_base import CONVERT_1, KERAS_1, Convolution, serialized, sizes_apart
from graphc.frontend_keras.layers.convolutional_plain import Conv2D

_KERAS_1 = {old: new for old, new in KERAS_1.items() if not new.startswith("kernel_") or new == "kernel_size"}
_UNUSED = ("kernel_initializer", "kernel_regularizer", "kernel_constraint")


def _without_unused(title: str, keywords: dict[str, Any], used: str) -> dict[str, Any]:
    """Keywords without those of a plain convolution's kernel, which Keras takes and never uses; with a warning."""
    unused = [name for name in _UNUSED if keywords.get(name) is not None]
    if unused:
        warn(f"{title} has no weight named `kernel`: {', '.join(unused)} is without effect. Its weights have "
             f"{used}")
    return {name: value for name, value in keywords.items() if name not in _UNUSED}


class _Apart(Convolution):
    """Base of the layers with one or more filters for each channel.

    depth_multiplier  number of filters for each input channel
    """

    depth_multiplier = 1

    def _take_kernel(self, name: str, initializer: Any, regularizer: Any, constraint: Any) -> None:
        setattr(self, f"{name}_initializer", initializers.get(initializer))
        setattr(self, f"{name}_regularizer", regularizers.get(regularizer))
        setattr(self, f"{name}_constraint", constraints.get(constraint))

    def _add_kernel(self, name: str, shape: tuple[int, ...]) -> Any:
        return self.add_weight(f"{name}_kernel", shape, initializer=getattr(self, f"{name}_initializer"),
                               regularizer=getattr(self, f"{name}_regularizer"),
                               constraint=getattr(self, f"{name}_constraint"))

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "depth_multiplier": self.depth_multiplier}
        return {name: value for name, value in config.items() if name not in _UNUSED}


class _Separable(_Apart):
    """Base of the separable convolutions: each channel is convolved on its own, then the channels are mixed.

    Weights: depthwise_kernel (*sizes, channels, depth_multiplier), pointwise_kernel (1, ..., channels *
    depth_multiplier, filters), bias (filters,).
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any, padding: str, data_format: str | None,
                 dilation_rate: Any, depth_multiplier: int, activation: Any, use_bias: bool,
                 depthwise_initializer: Any, pointwise_initializer: Any, bias_initializer: Any,
                 depthwise_regularizer: Any, pointwise_regularizer: Any, bias_regularizer: Any,
                 activity_regularizer: Any, depthwise_constraint: Any, pointwise_constraint: Any,
                 bias_constraint: Any, **kwargs: Any):
        kwargs = _without_unused(type(self).__name__, kwargs, "depthwise_initializer, pointwise_initializer and so on")
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer=bias_initializer, bias_regularizer=bias_regularizer,
                         activity_regularizer=activity_regularizer, bias_constraint=bias_constraint, **kwargs)
        self.depth_multiplier = positive(depth_multiplier, "depth_multiplier", self.name)
        self._take_kernel("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)
        self._take_kernel("pointwise", pointwise_initializer, pointwise_regularizer, pointwise_constraint)

    def build(self, input_shape: Any) -> None:
        channels = self.channels(input_shape)
        apart = channels * self.depth_multiplier
        self.depthwise_kernel = self._add_kernel("depthwise", (*self.kernel_size, channels, self.depth_multiplier))
        self.pointwise_kernel = self._add_kernel("pointwise", (*(1,) * self.rank, apart, self.filters))
        self.add_bias(self.filters)
        self.built = True

    def convolve(self, inputs: Any) -> Any:
        convolution = K.separable_conv1d if self.rank == 1 else K.separable_conv2d
        return convolution(inputs, self.depthwise_kernel, self.pointwise_kernel, strides=self.strides,
                           padding=self.padding, data_format=self.data_format, dilation_rate=self.dilation_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **serialized(self, "depthwise", "pointwise")}


class SeparableConv1D(_Separable):
    """A separable convolution along time. data_format is channels_last unless given."""

    rank = 1

    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = "channels_last", dilation_rate: Any = 1, depth_multiplier: int = 1,
                 activation: Any = None, use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform",
                 pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, pointwise_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, depthwise_constraint: Any = None, pointwise_constraint: Any = None,
                 bias_constraint: Any = None, **kwargs: Any):
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                         activation, use_bias, depthwise_initializer, pointwise_initializer, bias_initializer,
                         depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer,
                         depthwise_constraint, pointwise_constraint, bias_constraint, **kwargs)


class SeparableConv2D(_Separable):
    """A separable convolution of images. Keras 1's `init` initializes both kernels."""

    rank = 2

    @sizes_apart("nb_row", "nb_col")
    @renamed_keywords(_KERAS_1, convert=CONVERT_1)
    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1), depth_multiplier: int = 1,
                 activation: Any = None, use_bias: bool = True, depthwise_initializer: Any = "glorot_uniform",
                 pointwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, pointwise_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, depthwise_constraint: Any = None, pointwise_constraint: Any = None,
                 bias_constraint: Any = None, **kwargs: Any):
        if "init" in kwargs:
            depthwise_initializer = pointwise_initializer = kwargs.pop("init")
            warn(f"Update your `{type(self).__name__}` call to the Keras 2 API: `depthwise_initializer` and "
                 "`pointwise_initializer` instead of `init`")
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                         activation, use_bias, depthwise_initializer, pointwise_initializer, bias_initializer,
                         depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer,
                         depthwise_constraint, pointwise_constraint, bias_constraint, **kwargs)


class DepthwiseConv2D(_Apart, Conv2D):
    """Each channel of an image convolved on its own: channels * depth_multiplier output channels, those of one input
    channel side by side.

    Weights: depthwise_kernel (rows, columns, channels, depth_multiplier), bias (channels * depth_multiplier,).
    """

    rank = 2

    @renamed_keywords(_KERAS_1, convert=CONVERT_1)
    def __init__(self, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid", depth_multiplier: int = 1,
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 depthwise_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 depthwise_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 depthwise_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        kwargs = _without_unused(type(self).__name__, kwargs, "depthwise_initializer and so on")
        super().__init__(1, kernel_size, strides=strides, padding=padding, data_format=data_format,
                         activation=activation, use_bias=use_bias, bias_initializer=bias_initializer,
                         bias_regularizer=bias_regularizer, activity_regularizer=activity_regularizer,
                         bias_constraint=bias_constraint, **kwargs)
        self.filters: Any = None
        self.depth_multiplier = positive(depth_multiplier, "depth_multiplier", self.name)
        self._take_kernel("depthwise", depthwise_initializer, depthwise_regularizer, depthwise_constraint)

    def build(self, input_shape: Any) -> None:
        channels = self.channels(input_shape)
        self.depthwise_kernel = self._add_kernel("depthwise", (*self.kernel_size, channels, self.depth_multiplier))
        self.add_bias(channels * self.depth_multiplier)
        self.built = True

    def convolve(self, inputs: Any) -> Any:
        return K.depthwise_conv2d(inputs, self.depthwise_kernel, strides=self.strides, padding=self.padding,
                                  data_format=self.data_format, dilation_rate=self.dilation_rate)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **serialized(self, "depthwise")}
        del config["filters"]
        return config
