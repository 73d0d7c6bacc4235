"""MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381).

What does not live here: input, head and weights (frame.py), rules for published weights (mobilenet.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.applications.frame import Frame, channels_last, padding_for_stride, pooled_classifier
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions
from graphc.frontend_keras.applications.input_shapes import spatial, square_size
from graphc.frontend_keras.applications.mobilenet import checked_rows
from graphc.frontend_keras.applications.pretrained import PublishedFile, WeightFiles
from graphc.frontend_keras.layers import Add, BatchNormalization, Conv2D, DepthwiseConv2D, ReLU, ZeroPadding2D

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

_FOLDER = "https://github.com/JonathanCMitchell/mobilenet_v2_keras/releases/download/v1.1/"
SIZES = (96, 128, 160, 192, 224)
WIDTHS = (0.35, 0.50, 0.75, 1.0, 1.3, 1.4)

STAGES = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
"""Filters, number of blocks and the first one's stride of each stage."""


def MobileNetV2(input_shape: Any = None, alpha: float = 1.0, depth_multiplier: int = 1,  # noqa: N802
                include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
                pooling: str | None = None, classes: int = 1000) -> Any:
    """MobileNetV2 for images of 224 x 224, at least 32 x 32, channels last. Other arguments: see frame.Frame.

    alpha             what the numbers of filters are multiplied by; published are 0.35, 0.5, 0.75, 1, 1.3 and 1.4
    depth_multiplier  1; as in Keras it has no effect where no weights are loaded

    Raises ShapeError (a ValueError) where `input_shape` and `input_tensor` differ.
    """
    with channels_last("MobileNetV2"):
        frame = Frame("MobileNetV2", include_top, weights, input_tensor, input_shape, pooling, classes)
        shape = frame.shape(square_size(_known_shape(input_shape, input_tensor), SIZES, 224), least=32)
        rows = checked_rows(frame, shape, SIZES, alpha, WIDTHS, depth_multiplier)
        x = frame.begin(shape)
        x = ZeroPadding2D(padding_for_stride(x, 3), name="Conv1_pad")(x)
        x = Conv2D(_rounded(32 * alpha), 3, strides=(2, 2), use_bias=False, name="Conv1")(x)
        x = ReLU(6.0, name="Conv1_relu")(_norm("bn_Conv1")(x))
        index = 0
        for filters, blocks, first_stride in STAGES:
            for block in range(blocks):
                x = _block(x, _rounded(int(filters * alpha)), 1 if block else first_stride, index)
                index += 1
        x = Conv2D(_rounded(1280 * alpha) if alpha > 1 else 1280, 1, use_bias=False, name="Conv_1")(x)
        x = ReLU(6.0, name="out_relu")(_norm("Conv_1_bn")(x))
        x = frame.head(x, pooled_classifier("Logits", pool=None))
        return frame.model(f"mobilenetv2_{alpha:0.2f}_{rows}", x, _files(alpha, rows))


def preprocess_input(x: Any) -> Any:
    """Images with values 0 to 255 as float32 values from -1 up to 255 / 128 - 1.

    x  an array, overwritten where it holds floats and may be written, or a tensor
    """
    if K.is_tensor(x):
        return K.cast(x, "float32") / 128.0 - 1.0
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating) or not x.flags.writeable:
        x = x.astype(np.float32)
    x /= 128.0
    x -= 1.0
    return x.astype(np.float32)


def _known_shape(input_shape: Any, input_tensor: Any) -> Any:
    """What is known of the image before the rules are asked: the caller's shape, else that of the tensor."""
    if input_tensor is None:
        return input_shape
    if not K.is_keras_tensor(input_tensor):
        if input_shape is not None:
            raise ArgumentError("input_tensor is not a keras tensor, so that it takes no input_shape",
                                where="MobileNetV2", got=repr(input_tensor), fix="Leave out `input_shape`.")
        return None
    found = K.int_shape(input_tensor)
    if input_shape is not None and spatial(found) != spatial(input_shape):
        raise ShapeError("input_shape and input_tensor do not meet the same shape requirements", where="MobileNetV2",
                         expected=f"rows and columns {spatial(found)}", got=f"`input_shape={tuple(input_shape)}`")
    return input_shape or found


def _files(alpha: float, rows: int | None) -> WeightFiles:
    stem = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha!s}_{rows}"
    return WeightFiles(*(PublishedFile(stem + end, _FOLDER + stem + end) for end in (".h5", "_no_top.h5")))


def _rounded(filters: float) -> int:
    """The nearest multiple of 8, at least 8 and at least 90 % of `filters`."""
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * filters else nearest


def _norm(name: str) -> Any:
    return BatchNormalization(epsilon=1e-3, momentum=0.999, name=name)


def _block(x: Any, filters: int, stride: int, index: int) -> Any:
    """Six times wider (but for the first block), depthwise, narrow; added to the input where the shapes allow."""
    channels: Any = K.int_shape(x)[-1]
    name, y = (f"block_{index}_", x) if index else ("expanded_conv_", x)
    if index:
        y = Conv2D(6 * channels, 1, padding="same", use_bias=False, name=f"{name}expand")(y)
        y = ReLU(6.0, name=f"{name}expand_relu")(_norm(f"{name}expand_BN")(y))
    if stride == 2:
        y = ZeroPadding2D(padding_for_stride(y, 3), name=f"{name}pad")(y)
    y = DepthwiseConv2D(3, strides=stride, padding="same" if stride == 1 else "valid", use_bias=False,
                        name=f"{name}depthwise")(y)
    y = ReLU(6.0, name=f"{name}depthwise_relu")(_norm(f"{name}depthwise_BN")(y))
    y = Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}project")(y)
    y = _norm(f"{name}project_BN")(y)
    return Add(name=f"{name}add")([x, y]) if channels == filters and stride == 1 else y
