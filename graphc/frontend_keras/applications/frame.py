"""What all applications share around their layers: checks, the input, the head, the model, its weights.

What does not live here: architectures (a module each), rules of shapes (input_shapes.py), files (pretrained.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.applications.input_shapes import Shape, obtain_input_shape, spatial
from graphc.frontend_keras.applications.pretrained import WeightFiles
from graphc.frontend_keras.engine.training import Model
from graphc.frontend_keras.layers import Dense, GlobalAveragePooling2D, GlobalMaxPooling2D, Input
from graphc.frontend_keras.utils.layer_utils import get_source_inputs

Top = Callable[[Any, int], Any]


class Frame:
    """One call of an application.

    where         the application's name, for errors
    include_top   whether the classifier is part of the model
    weights       None: random; "imagenet": the published file, from the folder of local models; else a file's path
    input_tensor  a tensor to begin with, of a layer or not; default a new Input
    input_shape   shape of one image; only without a classifier may it be any that is large enough
    pooling       without a classifier: None for the last feature map, "avg" or "max" for its means or maxima
    classes       number of classes of the classifier; 1000 with "imagenet"

    Raises ArgumentError and ShapeError (both ValueErrors); MissingFileError (a FileNotFoundError) where "imagenet" is
    asked for and the file is not on this machine.
    """

    def __init__(self, where: str, include_top: bool, weights: Any, input_tensor: Any, input_shape: Any, pooling: Any,
                 classes: int):
        self.where, self.include_top, self.weights = where, include_top, weights
        self.input_tensor, self.input_shape = input_tensor, input_shape
        self.pooling, self.classes = pooling, classes
        self.image: Any = None
        if not (weights is None or self.pretrained or os.path.exists(weights)):
            raise ArgumentError("The `weights` argument should be either `None` (random initialization), `imagenet` "
                                "(pre-training on ImageNet), or the path to the weights file to be loaded",
                                where=where, got=repr(weights))
        if self.pretrained and include_top and classes != 1000:
            raise ArgumentError('If using `weights` as `"imagenet"` with `include_top` as true, `classes` should be '
                                "1000", where=where, got=classes)
        if pooling not in (None, "avg", "max"):
            raise ArgumentError("`pooling` is none of its values", where=where, expected="None, 'avg' or 'max'",
                                got=repr(pooling))

    @property
    def pretrained(self) -> bool:
        return isinstance(self.weights, str) and self.weights == "imagenet"

    def shape(self, default: int, least: int, static_with_top: bool = True) -> Shape:
        """The shape of one image, by the rules of input_shapes.py."""
        return obtain_input_shape(self.input_shape, default, least, K.image_data_format(),
                                  self.include_top and static_with_top, self.weights)

    def begin(self, shape: Shape) -> Any:
        """The image, a tensor that a layer made."""
        given = self.input_tensor
        if given is None:
            self.image = Input(shape=shape)
        else:
            self.image = given if K.is_keras_tensor(given) else Input(tensor=given, shape=shape)
        return self.image

    def head(self, x: Any, top: Top, average: str | None = None, maximum: str | None = None) -> Any:
        """What follows the last feature map: `top(x, classes)`, or pooling under these names, or nothing."""
        if self.include_top:
            return top(x, self.classes)
        if self.pooling == "avg":
            return GlobalAveragePooling2D(name=average)(x)
        return GlobalMaxPooling2D(name=maximum)(x) if self.pooling == "max" else x

    def model(self, name: str, output: Any, files: WeightFiles | None) -> Any:
        """The model between the image's sources and `output`, with its weights."""
        sources = self.image if self.input_tensor is None else get_source_inputs(self.image)
        model = Model(sources, output, name=name)
        if self.pretrained:
            if files is None:
                raise ArgumentError("there are no published weights for these arguments", where=self.where,
                                    fix="Pass weights=None or the path of a file.")
            model.load_weights(str((files.top if self.include_top else files.no_top).local_path()))
        elif self.weights is not None:
            model.load_weights(self.weights)
        return model


def pooled_classifier(dense: str, pool: str | None = "avg_pool") -> Top:
    """Means over the image, then one Dense layer with softmax, under these names."""

    def top(x: Any, classes: int) -> Any:
        return Dense(classes, activation="softmax", name=dense)(GlobalAveragePooling2D(name=pool)(x))

    return top


@contextmanager
def channels_last(where: str) -> Iterator[None]:
    """Inside, images have their channels last, whatever the settings say; then the settings are as before."""
    before = K.image_data_format()
    if before != "channels_last":
        warn(f"{where} is only available for the data format \"channels_last\" (width, height, channels), "
             f"but the default is {before!r}: the model will expect channels last. Set "
             "image_data_format=\"channels_last\" in keras.json.")
    K.set_image_data_format("channels_last")
    try:
        yield
    finally:
        K.set_image_data_format(before)


def channel_axis() -> int:
    """The axis of the channels in a batch of images."""
    return 1 if K.image_data_format() == "channels_first" else 3


def padding_for_stride(x: Any, kernel: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros around `x` with which a valid convolution of stride 2 sees what TensorFlow's `same` would see.

    kernel  its size, odd. Even sizes, and unknown ones, get one zero less in front.
    """
    half = kernel // 2
    rows, columns = (half if size is not None and size % 2 else half - 1 for size in spatial(K.int_shape(x)))
    return (rows, half), (columns, half)
