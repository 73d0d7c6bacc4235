"""VGG19.

What does not live here: the blocks (vgg.py).
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras.applications.frame import Frame
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions, preprocess_input
from graphc.frontend_keras.applications.pretrained import published
from graphc.frontend_keras.applications.vgg import build_vgg

__all__ = ["VGG19", "decode_predictions", "preprocess_input"]

FILES = published("https://github.com/fchollet/deep-learning-models/releases/download/v0.1/",
                  "vgg19_weights_tf_dim_ordering_tf_kernels",
                  "cbe5617147190e668d6c5d5026f83318", "253f8cb515780f3b799900260a226db6")


def VGG19(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
          input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """VGG19 for images of 224 x 224, at least 32 x 32. Arguments and errors: see frame.Frame."""
    frame = Frame("VGG19", include_top, weights, input_tensor, input_shape, pooling, classes)
    return build_vgg(frame, "vgg19", (2, 2, 4, 4, 4), FILES)
