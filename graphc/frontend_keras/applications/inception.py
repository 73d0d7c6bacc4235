"""What the Inception networks share: normalised convolutions, chains of them side by side, the stem.

What does not live here: the blocks of InceptionV3 and InceptionResNetV2 (a module each).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.frontend_keras.applications.frame import channel_axis
from graphc.frontend_keras.layers import Activation, AveragePooling2D, BatchNormalization, Conv2D, MaxPooling2D

Step = tuple[int, ...]
"""Filters, rows, columns of a convolution; a fourth number is a stride, for which nothing is padded."""


def conv_norm(x: Any, filters: int, rows: int, columns: int, stride: int = 1, padding: str = "same") -> Any:
    """Convolution without bias, normalisation without scale, relu; under automatic names."""
    x = Conv2D(filters, (rows, columns), strides=(stride, stride), padding=padding, use_bias=False)(x)
    x = BatchNormalization(axis=channel_axis(), scale=False)(x)
    return Activation("relu")(x)


def chain(x: Any, steps: Sequence[Step]) -> Any:
    """The convolutions of `steps`, one behind the other."""
    for filters, rows, columns, *strides in steps:
        stride, padding = (strides[0], "valid") if strides else (1, "same")
        x = conv_norm(x, filters, rows, columns, stride, padding)
    return x


def with_average(x: Any, branches: Sequence[Sequence[Step]], filters: int) -> list[Any]:
    """All branches, then local means with a 1x1 convolution of `filters` behind."""
    made = [chain(x, steps) for steps in branches]
    means = AveragePooling2D((3, 3), strides=(1, 1), padding="same")(x)
    return [*made, conv_norm(means, filters, 1, 1)]


def with_maximum(x: Any, branches: Sequence[Sequence[Step]]) -> list[Any]:
    """All branches, which halve the image, then the maxima of every other place."""
    return [*(chain(x, steps) for steps in branches), MaxPooling2D((3, 3), strides=(2, 2))(x)]


def stem(x: Any) -> Any:
    """From the image to 35 x 35 x 192 (of 299 x 299)."""
    x = conv_norm(x, 32, 3, 3, stride=2, padding="valid")
    x = conv_norm(x, 32, 3, 3, padding="valid")
    x = conv_norm(x, 64, 3, 3)
    x = MaxPooling2D((3, 3), strides=(2, 2))(x)
    x = conv_norm(x, 80, 1, 1, padding="valid")
    x = conv_norm(x, 192, 3, 3, padding="valid")
    return MaxPooling2D((3, 3), strides=(2, 2))(x)
