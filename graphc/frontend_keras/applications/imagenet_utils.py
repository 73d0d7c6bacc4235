"""Images to numbers as ImageNet classifiers want them, and their predictions to names.

What does not live here: reading images (preprocessing), models.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ModelFormatError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.applications.pretrained import PublishedFile

__all__ = ["decode_predictions", "preprocess_input"]

CLASS_INDEX = PublishedFile(
    "imagenet_class_index.json",
    "https://s3.amazonaws.com/deep-learning-models/image-models/imagenet_class_index.json",
    "c2c37ea517e94d9795004a39431a14cb")

# what is subtracted, and divided by, after scaling; in the order of the channels of the result
_CAFFE_MEANS = (103.939, 116.779, 123.68)
_TORCH_MEANS, _TORCH_DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MODES = ("caffe", "tf", "torch")


def preprocess_input(x: Any, data_format: str | None = None, mode: str = "caffe") -> Any:
    """Images with values 0 to 255 as a network was trained on them.

    x            images with channels R, G, B: an array, of rank 3 or 4, or a tensor
    data_format  where the channels are; default K.image_data_format()
    mode         caffe: B, G, R, less ImageNet's means; tf: from -1 to 1; torch: from 0 to 1, then less ImageNet's
                 means, divided by its deviations

    An array of floats that may be written is overwritten, as in Keras; other arrays become K.floatx().
    Raises ArgumentError (a ValueError) for an unknown format or mode, ShapeError for channels that do not fit.
    """
    data_format = K.image_data_format() if data_format is None else data_format
    if data_format not in ("channels_first", "channels_last"):
        raise ArgumentError(f"Unknown data_format {data_format}", where="preprocess_input",
                            expected="channels_first or channels_last")
    if mode not in _MODES:
        raise ArgumentError("unknown mode", where="preprocess_input", expected=", ".join(_MODES), got=repr(mode))
    steps = _on_tensor if K.is_tensor(x) else _on_array
    axis = _channel_axis(tuple(K.int_shape(x)) if K.is_tensor(x) else np.shape(x), data_format, mode)
    return steps(x, axis, mode)


def _channel_axis(shape: tuple[Any, ...], data_format: str, mode: str) -> int:
    if mode == "tf":
        return -1
    axis = -1 if data_format == "channels_last" else -3
    if len(shape) not in (3, 4) or shape[axis] not in (3, None):
        raise ShapeError("images need 3 channels", where="preprocess_input",
                         expected=f"rank 3 or 4 with 3 channels, {data_format}", got=shape)
    return axis


def _on_array(x: Any, axis: int, mode: str) -> np.ndarray:
    x = np.asarray(x)
    if not np.issubdtype(x.dtype, np.floating):
        x = x.astype(K.floatx())
    elif not x.flags.writeable:
        x = x.copy()
    if mode == "tf":
        x /= 127.5
        x -= 1.0
        return x
    if mode == "torch":
        x /= 255.0
        x -= _along(axis, _TORCH_MEANS, x.dtype)
        x /= _along(axis, _TORCH_DEVIATIONS, x.dtype)
        return x
    x = np.flip(x, axis)
    x -= _along(axis, _CAFFE_MEANS, x.dtype)
    return x


def _on_tensor(x: Any, axis: int, mode: str) -> Any:
    if K.dtype(x) not in ("float32", "float64"):
        x = K.cast(x, K.floatx())
    kind = K.dtype(x)

    def values(numbers: tuple[float, ...]) -> Any:
        return K.constant(_along(axis, numbers, kind), dtype=kind)

    if mode == "tf":
        return x / 127.5 - 1.0
    if mode == "torch":
        return (x / 255.0 - values(_TORCH_MEANS)) / values(_TORCH_DEVIATIONS)
    return K.reverse(x, K.ndim(x) + axis) - values(_CAFFE_MEANS)


def _along(axis: int, numbers: tuple[float, ...], dtype: Any) -> np.ndarray:
    """One number for each channel, with an axis of 1 for each axis behind."""
    return np.array(numbers, dtype).reshape((3,) + (1,) * (-axis - 1))


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, Any]]]:
    """The classes that an ImageNet model finds most likely.

    preds  (samples, 1000) probabilities
    top    how many classes of each sample

    Returns for each sample a list of (WordNet id, name, probability), the most likely first. Raises ShapeError (a
    ValueError) for another shape, MissingFileError where imagenet_class_index.json is not on this machine.
    """
    shape = np.shape(preds)
    if len(shape) != 2 or shape[1] != 1000:
        raise ShapeError("`decode_predictions` expects a batch of predictions (i.e. a 2D array of shape "
                         "(samples, 1000))", where="decode_predictions", got=f"array with shape: {shape}")
    names = _class_names(CLASS_INDEX.local_path())
    likely = np.argsort(np.negative(preds), axis=1, kind="stable")[:, :top]
    return [[(*names[i], row[i]) for i in indices] for row, indices in zip(np.asarray(preds), likely, strict=True)]


@lru_cache(maxsize=1)
def _class_names(path: Path) -> list[tuple[str, str]]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        return [(str(table[str(i)][0]), str(table[str(i)][1])) for i in range(1000)]
    except (ValueError, LookupError, TypeError) as error:
        raise ModelFormatError("the table of classes cannot be read", where=str(path),
                               expected="{\"0\": [WordNet id, name], ..., \"999\": ...}", got=str(error)) from error
