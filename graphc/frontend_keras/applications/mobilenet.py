"""MobileNet (Howard et al., 2017, arXiv:1704.04861).

What does not live here: input, head and weights (frame.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import ArgumentError, ShapeError, warn
from graphc.frontend_keras.applications import imagenet_utils
from graphc.frontend_keras.applications.frame import Frame, channels_last
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions
from graphc.frontend_keras.applications.input_shapes import Shape, spatial, square_size
from graphc.frontend_keras.applications.pretrained import PublishedFile, WeightFiles
from graphc.frontend_keras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    Dropout,
    GlobalAveragePooling2D,
    ReLU,
    Reshape,
    ZeroPadding2D,
)

__all__ = ["MobileNet", "decode_predictions", "preprocess_input"]

_FOLDER = "https://github.com/fchollet/deep-learning-models/releases/download/v0.6/"
SIZES = (128, 160, 192, 224)
WIDTHS = {0.25: "2_5", 0.50: "5_0", 0.75: "7_5", 1.0: "1_0"}
"""alpha with published weights -> how their file names write it."""

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Filters and stride of each block."""


def MobileNet(input_shape: Any = None, alpha: float = 1.0, depth_multiplier: int = 1,  # noqa: N802
              dropout: float = 1e-3, include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,
              pooling: str | None = None, classes: int = 1000) -> Any:
    """MobileNet for images of 224 x 224, at least 32 x 32, channels last. Other arguments and errors: see frame.Frame.

    alpha             what the numbers of filters are multiplied by; published are 0.25, 0.5, 0.75 and 1
    depth_multiplier  filters for each channel of a depthwise convolution
    dropout           in front of the classifier
    """
    with channels_last("MobileNet"):
        frame = Frame("MobileNet", include_top, weights, input_tensor, input_shape, pooling, classes)
        shape = frame.shape(square_size(input_shape, SIZES, 224), least=32)
        rows = checked_rows(frame, shape, SIZES, alpha, tuple(WIDTHS), depth_multiplier)
        x = ZeroPadding2D(((0, 1), (0, 1)), name="conv1_pad")(frame.begin(shape))
        x = Conv2D(int(32 * alpha), (3, 3), strides=(2, 2), use_bias=False, name="conv1")(x)
        x = _normalized(x, "conv1")
        for index, (filters, stride) in enumerate(BLOCKS, start=1):
            x = _block(x, int(filters * alpha), stride, depth_multiplier, index)

        def top(x: Any, classes: int) -> Any:
            return _classifier(x, classes, int(1024 * alpha), dropout)

        return frame.model(f"mobilenet_{alpha:0.2f}_{rows}", frame.head(x, top), _files(alpha, rows))


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images with values 0 to 255 as values from -1 to 1; see imagenet_utils.preprocess_input."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def checked_rows(frame: Frame, shape: Shape, sizes: Sequence[int], alpha: float, widths: Sequence[float],
                 depth_multiplier: int) -> int | None:
    """Rows of the image, None for any. Raises ArgumentError and ShapeError where no published weights fit."""
    rows, columns = spatial(shape)
    if not frame.pretrained:
        return rows
    if depth_multiplier != 1:
        raise ArgumentError("If imagenet weights are being loaded, depth multiplier must be 1", where=frame.where,
                            got=depth_multiplier)
    if alpha not in widths:
        raise ArgumentError("If imagenet weights are being loaded, alpha can be one of "
                            f"{', '.join(map(str, widths))} only", where=frame.where, got=alpha)
    if rows is None:
        warn(f"{frame.where} shape is undefined. Weights for input shape (224, 224) will be loaded.")
        return 224
    if rows != columns or rows not in sizes:
        raise ShapeError("If imagenet weights are being loaded, input must have a static square shape",
                         where=frame.where, expected=f"rows and columns of {', '.join(map(str, sizes))}", got=shape)
    return rows


def _files(alpha: float, rows: int | None) -> WeightFiles | None:
    if alpha not in WIDTHS:
        return None
    names = (f"mobilenet_{WIDTHS[alpha]}_{rows}_tf{ending}.h5" for ending in ("", "_no_top"))
    return WeightFiles(*(PublishedFile(name, _FOLDER + name) for name in names))


def _block(x: Any, filters: int, stride: int, depth_multiplier: int, index: int) -> Any:
    """A depthwise convolution, then a pointwise one."""
    if stride != 1:
        x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{index}")(x)
    x = DepthwiseConv2D((3, 3), strides=(stride, stride), padding="same" if stride == 1 else "valid",
                        depth_multiplier=depth_multiplier, use_bias=False, name=f"conv_dw_{index}")(x)
    x = _normalized(x, f"conv_dw_{index}")
    x = Conv2D(filters, (1, 1), padding="same", use_bias=False, name=f"conv_pw_{index}")(x)
    return _normalized(x, f"conv_pw_{index}")


def _normalized(x: Any, name: str) -> Any:
    return ReLU(6.0, name=f"{name}_relu")(BatchNormalization(name=f"{name}_bn")(x))


def _classifier(x: Any, classes: int, features: int, dropout: float) -> Any:
    x = GlobalAveragePooling2D()(x)
    x = Reshape((1, 1, features), name="reshape_1")(x)
    x = Dropout(dropout, name="dropout")(x)
    x = Conv2D(classes, (1, 1), padding="same", name="conv_preds")(x)
    x = Activation("softmax", name="act_softmax")(x)
    return Reshape((classes,), name="reshape_2")(x)
