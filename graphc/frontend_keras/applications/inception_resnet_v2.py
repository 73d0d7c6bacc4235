"""InceptionResNetV2 (Szegedy et al., 2016, arXiv:1602.07261).

What does not live here: convolutions and stem (inception.py), input, head and weights (frame.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.applications import imagenet_utils
from graphc.frontend_keras.applications.frame import Frame, channel_axis, pooled_classifier
from graphc.frontend_keras.applications.imagenet_utils import decode_predictions
from graphc.frontend_keras.applications.inception import chain, stem, with_average, with_maximum
from graphc.frontend_keras.applications.pretrained import published
from graphc.frontend_keras.layers import Activation, BatchNormalization, Concatenate, Conv2D, Lambda
from graphc.frontend_keras.layers.function_layer import know_function

__all__ = ["CUSTOM_OBJECTS", "InceptionResNetV2", "decode_predictions", "preprocess_input"]

FILES = published("https://github.com/fchollet/deep-learning-models/releases/download/v0.7/",
                  "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels",
                  "e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4")

FIRST = (((96, 1, 1),), ((48, 1, 1), (64, 5, 5)), ((64, 1, 1), (96, 3, 3), (96, 3, 3)))
TO_COARSE = (((384, 3, 3, 2),), ((256, 1, 1), (256, 3, 3), (384, 3, 3, 2)))
TO_COARSEST = (((256, 1, 1), (384, 3, 3, 2)), ((256, 1, 1), (288, 3, 3, 2)),
               ((256, 1, 1), (288, 3, 3), (320, 3, 3, 2)))

BLOCKS: Mapping[str, tuple[int, float, Any]] = MappingProxyType({
    "block35": (10, 0.17, (((32, 1, 1),), ((32, 1, 1), (32, 3, 3)), ((32, 1, 1), (48, 3, 3), (64, 3, 3)))),
    "block17": (20, 0.1, (((192, 1, 1),), ((128, 1, 1), (160, 1, 7), (192, 7, 1)))),
    "block8": (10, 0.2, (((192, 1, 1),), ((192, 1, 1), (224, 1, 3), (256, 3, 1))))})
"""Kind of residual block -> how many, what their branches are scaled by, the branches."""


def InceptionResNetV2(include_top: bool = True, weights: Any = "imagenet", input_tensor: Any = None,  # noqa: N802
                      input_shape: Any = None, pooling: str | None = None, classes: int = 1000) -> Any:
    """InceptionResNetV2 for images of 299 x 299, at least 75 x 75. Arguments and errors: see frame.Frame.

    A file that Keras itself has saved holds the sums as code, which is never read: load it with
    custom_objects=CUSTOM_OBJECTS. Files saved here only need this module to be imported.
    """
    frame = Frame("InceptionResNetV2", include_top, weights, input_tensor, input_shape, pooling, classes)
    x = stem(frame.begin(frame.shape(default=299, least=75, static_with_top=False)))
    x = _mixed(with_average(x, FIRST, 64), "mixed_5b")
    x = _residuals(x, "block35")
    x = _residuals(_mixed(with_maximum(x, TO_COARSE), "mixed_6a"), "block17")
    x = _residuals(_mixed(with_maximum(x, TO_COARSEST), "mixed_7a"), "block8")
    x = Conv2D(1536, 1, padding="same", use_bias=False, name="conv_7b")(x)
    x = BatchNormalization(axis=channel_axis(), scale=False, name="conv_7b_bn")(x)
    x = Activation("relu", name="conv_7b_ac")(x)
    return frame.model("inception_resnet_v2", frame.head(x, pooled_classifier("predictions")), FILES)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Images with values 0 to 255 as values from -1 to 1; see imagenet_utils.preprocess_input."""
    return imagenet_utils.preprocess_input(x, data_format, mode="tf")


def _mixed(branches: list[Any], name: str) -> Any:
    return Concatenate(axis=channel_axis(), name=name)(branches)


def _residuals(x: Any, kind: str) -> Any:
    """All blocks of one kind. The very last of the network is neither scaled down nor followed by relu."""
    count, scale, branches = BLOCKS[kind]
    for index in range(1, count + 1):
        name = f"{kind}_{index}"
        last = kind == "block8" and index == count
        mixed = _mixed([chain(x, steps) for steps in branches], f"{name}_mixed")
        correction = Conv2D(K.int_shape(x)[channel_axis()], 1, padding="same", name=f"{name}_conv")(mixed)
        x = Lambda(inception_resnet_sum, output_shape=K.int_shape(x)[1:], arguments={"scale": 1.0 if last else scale},
                   name=name)([x, correction])
        x = x if last else Activation("relu", name=f"{name}_ac")(x)
    return x


def inception_resnet_sum(inputs: Any, scale: float) -> Any:
    """The first tensor plus the second times `scale`."""
    return inputs[0] + inputs[1] * scale


CUSTOM_OBJECTS = MappingProxyType({f"{kind}_{index}": inception_resnet_sum for kind, (count, _, _) in BLOCKS.items()
                                   for index in range(1, count + 1)})
"""For files of Keras: the name of each Lambda layer -> its function."""

know_function(inception_resnet_sum)
