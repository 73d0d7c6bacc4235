"""DenseNet121, 169, 201 (Huang et al., 2016, arXiv:1608.06993).

What does not live here: input, head and weights (frame.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from graphc.frontend_keras.applications import imagenet_utils
from graphc.frontend_keras.applications.frame import Frame, channel_axis, pooled_classifier
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions
from graphc.frontend_keras.applications.pretrained import WeightFiles, published
from graphc.frontend_keras.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv2D,
    MaxPooling2D,
    ZeroPadding2D,
)

__all__ = ["DenseNet", "DenseNet121", "DenseNet169", "DenseNet201", "decode_predictions", "preprocess_input"]

GROWTH = 32
"""Channels that each dense block adds."""


def _published(depth: int, top_md5: str, no_top_md5: str) -> tuple[str, WeightFiles]:
    return f"densenet{depth}", published("https://github.com/keras-team/keras-applications/releases/download/densenet/",
                                         f"densenet{depth}_weights_tf_dim_ordering_tf_kernels", top_md5, no_top_md5)


KNOWN: Mapping[tuple[int, ...], tuple[str, WeightFiles]] = MappingProxyType({
    (6, 12, 24, 16): _published(121, "9d60b8095a5708f2dcce2bca79d332c7", "30ee3e1110167f948a6b9946edeeb738"),
    (6, 12, 32, 32): _published(169, "d699b8f76981ab1b30698df4c175e90b", "b8c4d4c20dd625c148057b9ff1c1176b"),
    (6, 12, 48, 32): _published(201, "1ceb130c1ea1b78c3bf6114dbdfd8807", "c13680b51ded0fb44dff2d8f86ac8bb1")})
"""Numbers of dense blocks -> name and weights."""


def DenseNet(blocks: Sequence[int], include_top: bool = True, weights: Any = "imagenet",  # noqa: N802
             input_tensor: Any = None, input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """A DenseNet for images of 224 x 224, at least 32 x 32. Other arguments and errors: see frame.Frame.

    blocks  how many dense blocks each of the four groups has
    """
    name, files = KNOWN.get(tuple(blocks), ("densenet", None))
    frame = Frame("DenseNet", include_top, weights, input_tensor, input_shape, pooling, classes)
    x = frame.begin(frame.shape(default=224, least=32))
    x = ZeroPadding2D(((3, 3), (3, 3)))(x)
    x = Conv2D(64, 7, strides=2, use_bias=False, name="conv1/conv")(x)
    x = _norm_relu(x, "conv1/bn", "conv1/relu")
    x = ZeroPadding2D(((1, 1), (1, 1)))(x)
    x = MaxPooling2D(3, strides=2, name="pool1")(x)
    for group, count in enumerate(blocks, start=2):
        x = x if group == 2 else _halving(x, f"pool{group - 1}")
        for block in range(1, count + 1):
            x = _dense_block(x, f"conv{group}_block{block}")
    x = _norm_relu(x, "bn", "relu")
    x = frame.head(x, pooled_classifier("fc1000"), average="avg_pool", maximum="max_pool")
    return frame.model(name, x, files)


def DenseNet121(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """DenseNet of 121 layers; see DenseNet."""
    return DenseNet((6, 12, 24, 16), include_top, weights, input_tensor, input_shape, pooling, classes)


def DenseNet169(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """DenseNet of 169 layers; see DenseNet."""
    return DenseNet((6, 12, 32, 32), include_top, weights, input_tensor, input_shape, pooling, classes)


def DenseNet201(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """DenseNet of 201 layers; see DenseNet."""
    return DenseNet((6, 12, 48, 32), include_top, weights, input_tensor, input_shape, pooling, classes)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images with values 0 to 255, less ImageNet's means and divided by its deviations; see imagenet_utils."""
    return imagenet_utils.preprocess_input(x, data_format, mode="torch")


def _norm_relu(x: Any, norm: str, relu: str) -> Any:
    x = BatchNormalization(axis=channel_axis(), epsilon=1.001e-5, name=norm)(x)
    return Activation("relu", name=relu)(x)


def _dense_block(x: Any, name: str) -> Any:
    """The input with GROWTH channels behind it, made of all of the input's."""
    y = _norm_relu(x, f"{name}_0_bn", f"{name}_0_relu")
    y = Conv2D(4 * GROWTH, 1, use_bias=False, name=f"{name}_1_conv")(y)
    y = _norm_relu(y, f"{name}_1_bn", f"{name}_1_relu")
    y = Conv2D(GROWTH, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(y)
    return Concatenate(axis=channel_axis(), name=f"{name}_concat")([x, y])


def _halving(x: Any, name: str) -> Any:
    """Half of the channels, half of the rows and columns."""
    half: int = x.shape[channel_axis()] // 2
    x = _norm_relu(x, f"{name}_bn", f"{name}_relu")
    x = Conv2D(half, 1, use_bias=False, name=f"{name}_conv")(x)
    return AveragePooling2D(2, strides=2, name=f"{name}_pool")(x)
