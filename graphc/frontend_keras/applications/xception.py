"""Xception (Chollet, 2016, arXiv:1610.02357).

What does not live here: input, head and weights (frame.py).
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras.applications import imagenet_utils
from graphc.frontend_keras.applications.frame import Frame, channels_last, pooled_classifier
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions
from graphc.frontend_keras.applications.pretrained import published
from graphc.frontend_keras.layers import Activation, BatchNormalization, Conv2D, MaxPooling2D, SeparableConv2D, add

__all__ = ["Xception", "decode_predictions", "preprocess_input"]

FILES = published("https://github.com/fchollet/deep-learning-models/releases/download/v0.4/",
                  "xception_weights_tf_dim_ordering_tf_kernels",
                  "0a58e3b7378bc2990ea3b43d5981f1f6", "b0042744bf5b25fce3cb969f33bebb97")


def Xception(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
             input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """Xception for images of 299 x 299, at least 71 x 71, channels last. Arguments and errors: see frame.Frame."""
    with channels_last("Xception"):
        frame = Frame("Xception", include_top, weights, input_tensor, input_shape, pooling, classes)
        x = frame.begin(frame.shape(default=299, least=71, static_with_top=False))
        for i, (filters, strides) in enumerate(((32, (2, 2)), (64, (1, 1))), start=1):
            x = Conv2D(filters, (3, 3), strides=strides, use_bias=False, name=f"block1_conv{i}")(x)
            x = BatchNormalization(name=f"block1_conv{i}_bn")(x)
            x = Activation("relu", name=f"block1_conv{i}_act")(x)
        for block, filters in ((2, 128), (3, 256), (4, 728)):
            x = _halving(x, block, (filters, filters))
        for block in range(5, 13):
            x = add([_separables(x, block, (728, 728, 728)), x])
        x = _halving(x, 13, (728, 1024))
        for i, filters in enumerate((1536, 2048), start=1):
            x = _separable(x, filters, f"block14_sepconv{i}")
            x = Activation("relu", name=f"block14_sepconv{i}_act")(x)
        return frame.model("xception", frame.head(x, pooled_classifier("predictions")), FILES)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images with values 0 to 255 as values from -1 to 1; see imagenet_utils.preprocess_input."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def _halving(x: Any, block: int, filters: tuple[int, ...]) -> Any:
    """Separable convolutions and maxima of every other place, added to a strided convolution of the input."""
    shortcut = Conv2D(filters[-1], (1, 1), strides=(2, 2), padding="same", use_bias=False)(x)
    shortcut = BatchNormalization()(shortcut)
    x = _separables(x, block, filters)
    x = MaxPooling2D((3, 3), strides=(2, 2), padding="same", name=f"block{block}_pool")(x)
    return add([x, shortcut])


def _separables(x: Any, block: int, filters: tuple[int, ...]) -> Any:
    """relu in front of each separable convolution, but for the first of block 2, whose input is one already."""
    for i, count in enumerate(filters, start=1):
        name = f"block{block}_sepconv{i}"
        if name != "block2_sepconv1":
            x = Activation("relu", name=f"{name}_act")(x)
        x = _separable(x, count, name)
    return x


def _separable(x: Any, filters: int, name: str) -> Any:
    x = SeparableConv2D(filters, (3, 3), padding="same", use_bias=False, name=name)(x)
    return BatchNormalization(name=f"{name}_bn")(x)
