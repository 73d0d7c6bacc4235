"""What VGG16 and VGG19 share (Simonyan & Zisserman, 2014, arXiv:1409.1556): blocks of 3x3 convolutions.

What does not live here: how many convolutions a block has (vgg16.py, vgg19.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.frontend_keras.applications.frame import Frame
from graphc.frontend_keras.applications.pretrained import WeightFiles
from graphc.frontend_keras.layers import Conv2D, Dense, Flatten, MaxPooling2D

FILTERS = (64, 128, 256, 512, 512)


def build_vgg(frame: Frame, name: str, convolutions: Sequence[int], files: WeightFiles) -> Any:
    """The model: `convolutions` of each block, a pooling behind each."""
    x = frame.begin(frame.shape(default=224, least=32))
    for block, (filters, count) in enumerate(zip(FILTERS, convolutions, strict=True), start=1):
        for i in range(1, count + 1):
            x = Conv2D(filters, (3, 3), activation="relu", padding="same", name=f"block{block}_conv{i}")(x)
        x = MaxPooling2D((2, 2), strides=(2, 2), name=f"block{block}_pool")(x)
    return frame.model(name, frame.head(x, _classifier), files)


def _classifier(x: Any, classes: int) -> Any:
    x = Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = Dense(4096, activation="relu", name=name)(x)
    return Dense(classes, activation="softmax", name="predictions")(x)
