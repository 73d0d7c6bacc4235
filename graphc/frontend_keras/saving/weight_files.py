"""Layers and their weights in HDF5, as Keras 2 lays them out: a group for each layer, which lists its weights.

    /                 layer_names, backend, keras_version
    /dense_1          weight_names
    /dense_1/dense_1/kernel:0

Order comes from the lists alone. All arrays are read and checked before the first weight changes.

What does not live here: the file (hdf5.py), what old versions wrote differently (old_weights.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ModelFormatError, ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.saving.hdf5 import Folder, write_texts
from graphc.frontend_keras.saving.old_weights import adapted
from graphc.frontend_keras.saving.text import KERAS_VERSION

Pair = tuple[Any, np.ndarray]
_SLACK = 1024  # numbers that a layer may have in a file beyond twice what it has here


def write_weights(group: Any, layers: Sequence[Any]) -> None:
    """Write the weights of `layers` into a h5py group."""
    write_texts(group, "layer_names", [layer.name for layer in layers])
    group.attrs["backend"], group.attrs["keras_version"] = K.backend().encode(), KERAS_VERSION.encode()
    for layer in layers:
        write_arrays(_group_of(group, layer.name), layer.weights)


def _group_of(group: Any, name: str) -> Any:
    """The group of a layer; that of one named `conv1/bn` lies in the group `conv1`, as in files of Keras."""
    try:
        if not {"", ".", ".."}.isdisjoint(name.split("/")):
            raise ValueError("not a path")
        return group.require_group(name)
    except (ValueError, TypeError) as error:
        raise ArgumentError("a layer of this name cannot be saved in HDF5", where=repr(name), got=str(error)) from error


def write_arrays(group: Any, weights: Sequence[Any]) -> None:
    """Write variables, in order, each under its name; a name that was taken gets a number."""
    names: list[str] = []
    for weight in weights:
        name, number = weight.name, 1
        while name in group:
            stem, colon, rest = weight.name.partition(":")
            name, number = f"{stem}_{number}{colon}{rest}", number + 1
        group.create_dataset(name, data=weight.array)
        names.append(name)
    write_texts(group, "weight_names", names)


def read_weights(folder: Folder, layers: Sequence[Any], reshape: bool = False) -> None:
    """Set the weights of `layers`, in order; `reshape` as by name.

    Raises ModelFormatError, ShapeError; then no weight has changed.
    """
    folder, version, backend = _root(folder)
    with_weights = [layer for layer in layers if layer.weights]
    found = [(name, one) for name in folder.texts("layer_names") if (one := folder.folder(name)).texts("weight_names")]
    if len(found) != len(with_weights):
        raise ModelFormatError(f"You are trying to load a weight file containing {len(found)} layers into a model with "
                               f"{len(with_weights)} layers", where=folder.where,
                               fix="With by_name=True, layers of the same names are filled and others left.")
    pairs: list[Pair] = []
    for layer, (name, one) in zip(with_weights, found, strict=True):
        arrays = adapted(layer, _arrays(one, layer), version, backend)
        pairs += _fitting(layer, arrays, name, reshape)
    K.batch_set_value(pairs)


def read_weights_by_name(folder: Folder, layers: Sequence[Any], skip_mismatch: bool = False,
                         reshape: bool = False) -> None:
    """Set the weights of those `layers` whose names stand in the file; others stay.

    skip_mismatch  warn of layers whose weights do not fit, and leave them
    reshape        arrays of another shape and the same size are taken in the wanted one

    Raises ModelFormatError, ShapeError; then no weight has changed.
    """
    folder, version, backend = _root(folder)
    pairs: list[Pair] = []
    for name in folder.texts("layer_names"):
        for layer in layers:
            if layer.name != name:
                continue
            try:
                arrays = adapted(layer, _arrays(folder.folder(name), layer), version, backend)
                pairs += _fitting(layer, arrays, name, reshape)
            except ShapeError as error:
                if not skip_mismatch:
                    raise
                warn(f"Skipping loading of weights for layer {name} due to mismatch: {error}")
    K.batch_set_value(pairs)


def _root(folder: Folder) -> tuple[Folder, str, str]:
    """The group that lists the layers (of a file of a whole model that of its weights), version and backend."""
    if folder.text("model_config") is not None or ("model_weights" in folder and not _lists_layers(folder)):
        folder = folder.folder("model_weights")
    if not _lists_layers(folder):
        raise ModelFormatError("no file of weights: no attribute layer_names", where=folder.where)
    return folder, folder.text("keras_version") or "1", folder.text("backend") or ""


def _lists_layers(folder: Folder) -> bool:
    return folder.has("layer_names") or folder.has("layer_names0")


def _arrays(folder: Folder, layer: Any) -> list[np.ndarray]:
    most = 2 * sum(int(K.count_params(weight)) for weight in layer.weights) + _SLACK
    return read_arrays(folder, most)


def read_arrays(folder: Folder, most: int) -> list[np.ndarray]:
    """The arrays that a group lists, together at most `most` numbers."""
    found = []
    for name in folder.texts("weight_names"):
        found.append(folder.array(name, most))
        most -= found[-1].size
    return found


def _fitting(layer: Any, arrays: Sequence[np.ndarray], name: str, reshape: bool = False) -> list[Pair]:
    """Which weight each array fills. Raises ShapeError where number or shapes differ."""
    if len(arrays) != len(layer.weights):
        raise ShapeError("the layer has another number of weights than the file", where=f"{layer.name} from {name!r}",
                         expected=len(layer.weights), got=len(arrays))
    pairs = []
    for weight, array in zip(layer.weights, arrays, strict=True):
        shape = tuple(K.int_shape(weight))
        if reshape and array.size == int(K.count_params(weight)):
            array = np.reshape(array, shape)  # type: ignore[arg-type]
        if array.shape != shape:
            raise ShapeError("a weight of the file has another shape", where=f"{layer.name}, {weight.name}",
                             expected=shape, got=array.shape,
                             fix="With by_name=True, skip_mismatch=True leaves such layers as they are.")
        pairs.append((weight, array))
    return pairs

