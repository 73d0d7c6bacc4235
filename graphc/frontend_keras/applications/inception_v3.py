"""InceptionV3 (Szegedy et al., 2015, arXiv:1512.00567).

What does not live here: convolutions and stem (inception.py), input, head and weights (frame.py).
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras.applications import imagenet_utils
from graphc.frontend_keras.applications.frame import Frame, channel_axis, pooled_classifier
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions
from graphc.frontend_keras.applications.inception import conv_norm, stem, with_average, with_maximum
from graphc.frontend_keras.applications.pretrained import published
from graphc.frontend_keras.layers import AveragePooling2D, concatenate

__all__ = ["InceptionV3", "decode_predictions", "preprocess_input"]

FILES = published("https://github.com/fchollet/deep-learning-models/releases/download/v0.5/",
                  "inception_v3_weights_tf_dim_ordering_tf_kernels",
                  "9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63")

FINE = (((64, 1, 1),), ((48, 1, 1), (64, 5, 5)), ((64, 1, 1), (96, 3, 3), (96, 3, 3)))
"""Branches of the blocks on 35 x 35."""

TO_COARSE = (((384, 3, 3, 2),), ((64, 1, 1), (96, 3, 3), (96, 3, 3, 2)))
TO_COARSEST = (((192, 1, 1), (320, 3, 3, 2)), ((192, 1, 1), (192, 1, 7), (192, 7, 1), (192, 3, 3, 2)))


def InceptionV3(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """InceptionV3 for images of 299 x 299, at least 75 x 75. Arguments and errors: see frame.Frame."""
    frame = Frame("InceptionV3", include_top, weights, input_tensor, input_shape, pooling, classes)
    x = stem(frame.begin(frame.shape(default=299, least=75, static_with_top=False)))
    for index, pooled in enumerate((32, 64, 64)):
        x = _mixed(with_average(x, FINE, pooled), index)
    x = _mixed(with_maximum(x, TO_COARSE), 3)
    for index, narrow in enumerate((128, 160, 160, 192), start=4):
        x = _mixed(with_average(x, _coarse(narrow), 192), index)
    x = _mixed(with_maximum(x, TO_COARSEST), 8)
    for index in (9, 10):
        x = _coarsest(x, index)
    return frame.model("inception_v3", frame.head(x, pooled_classifier("predictions")), FILES)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images with values 0 to 255 as values from -1 to 1; see imagenet_utils.preprocess_input."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def _mixed(branches: list[Any], index: int) -> Any:
    return concatenate(branches, axis=channel_axis(), name=f"mixed{index}")


def _coarse(n: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Branches of a block on 17 x 17, whose inner convolutions have n filters."""
    return (((192, 1, 1),), ((n, 1, 1), (n, 1, 7), (192, 7, 1)),
            ((n, 1, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7)))


def _coarsest(x: Any, index: int) -> Any:
    """A block on 8 x 8: two of its branches fork into a row and a column."""
    alone = conv_norm(x, 320, 1, 1)
    short = _forked(conv_norm(x, 384, 1, 1), f"mixed9_{index - 9}")
    long = _forked(conv_norm(conv_norm(x, 448, 1, 1), 384, 3, 3), None)
    means = AveragePooling2D((3, 3), strides=(1, 1), padding="same")(x)
    return _mixed([alone, short, long, conv_norm(means, 192, 1, 1)], index)


def _forked(x: Any, name: str | None) -> Any:
    return concatenate([conv_norm(x, 384, 1, 3), conv_norm(x, 384, 3, 1)], axis=channel_axis(), name=name)
