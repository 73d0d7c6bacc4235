"""ResNet50 (He et al., 2015, arXiv:1512.03385).

What does not live here: input, head and weights (frame.py).
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras.applications.frame import Frame, channel_axis, pooled_classifier
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions, preprocess_input
from graphc.frontend_keras.applications.pretrained import published
from graphc.frontend_keras.layers import Activation, BatchNormalization, Conv2D, MaxPooling2D, ZeroPadding2D, add

__all__ = ["ResNet50", "decode_predictions", "preprocess_input"]

FILES = published("https://github.com/fchollet/deep-learning-models/releases/download/v0.2/",
                  "resnet50_weights_tf_dim_ordering_tf_kernels",
                  "a7b3fe01876f51b976af0dea6bc144eb", "a268eb855778b3df3c7506639542a6af")

STAGES = {2: (64, 3), 3: (128, 4), 4: (256, 6), 5: (512, 3)}
"""Stage -> filters of its narrow convolutions, number of its blocks."""


def ResNet50(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
             input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """ResNet50 for images of 224 x 224, at least 32 x 32. Arguments and errors: see frame.Frame."""
    frame = Frame("ResNet50", include_top, weights, input_tensor, input_shape, pooling, classes)
    x = frame.begin(frame.shape(default=224, least=32))
    x = ZeroPadding2D((3, 3), name="conv1_pad")(x)
    x = _normalized(x, 64, (7, 7), "conv1", "bn_conv1", strides=(2, 2))
    x = ZeroPadding2D((1, 1), name="pool1_pad")(Activation("relu")(x))
    x = MaxPooling2D((3, 3), strides=(2, 2))(x)
    for stage, (filters, blocks) in STAGES.items():
        for block in range(blocks):
            first_strides = (1, 1) if stage == 2 else (2, 2)
            x = _bottleneck(x, filters, f"{stage}{chr(ord('a') + block)}", None if block else first_strides)
    return frame.model("resnet50", frame.head(x, pooled_classifier("fc1000")), FILES)


def _bottleneck(x: Any, filters: int, label: str, strides: tuple[int, int] | None) -> Any:
    """Narrow, 3x3, wide; added to the input, or to a convolution of it where `strides` are given."""

    def branch(y: Any, count: int, kernel: tuple[int, int], which: str, **options: Any) -> Any:
        return _normalized(y, count, kernel, f"res{label}_branch{which}", f"bn{label}_branch{which}", **options)

    y = Activation("relu")(branch(x, filters, (1, 1), "2a", strides=strides or (1, 1)))
    y = Activation("relu")(branch(y, filters, (3, 3), "2b", padding="same"))
    y = branch(y, 4 * filters, (1, 1), "2c")
    shortcut = x if strides is None else branch(x, 4 * filters, (1, 1), "1", strides=strides)
    return Activation("relu")(add([y, shortcut]))


def _normalized(x: Any, filters: int, kernel: tuple[int, int], conv: str, norm: str, **options: Any) -> Any:
    x = Conv2D(filters, kernel, kernel_initializer="he_normal", name=conv, **options)(x)
    return BatchNormalization(axis=channel_axis(), name=norm)(x)
