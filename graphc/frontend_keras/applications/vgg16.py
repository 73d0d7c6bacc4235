"""VGG16.

What does not live here: the blocks (vgg.py).
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras.applications.frame import Frame
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions, preprocess_input
from graphc.frontend_keras.applications.pretrained import published
from graphc.frontend_keras.applications.vgg import build_vgg

__all__ = ["VGG16", "decode_predictions", "preprocess_input"]

FILES = published("https://github.com/fchollet/deep-learning-models/releases/download/v0.1/",
                  "vgg16_weights_tf_dim_ordering_tf_kernels",
                  "64373286793e3c8b2b4e3219cbf3544b", "6d6bbae143d832006294945121d1f1fc")


def VGG16(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
          input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """VGG16 for images of 224 x 224, at least 32 x 32. Arguments and errors: see frame.Frame."""
    frame = Frame("VGG16", include_top, weights, input_tensor, input_shape, pooling, classes)
    return build_vgg(frame, "vgg16", (2, 2, 3, 3, 3), FILES)
