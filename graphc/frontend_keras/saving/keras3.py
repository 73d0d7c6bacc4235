"""The archives of Keras 3 (.keras) and its files of weights (.weights.h5).

An archive is a zip of metadata.json, config.json and model.weights.h5. Weights lie under the way that leads to a layer,
not under its name, and are numbered:

    layers/conv2d_1/vars/0                    the second Conv2D of the model, by its class
    layers/bidirectional/forward_layer/cell/vars/0..2
    optimizer/vars/0                          the count of steps

What does not live here: the files of Keras 2 (model_files.py), how configurations differ (engine/dialects.py).
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from lzma import LZMAError
from typing import Any

import numpy as np

from graphc.errors import ModelFormatError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.saving import hdf5
from graphc.frontend_keras.saving.hdf5 import Folder
from graphc.frontend_keras.saving.keras3_config import (
    SLOPE,
    compile_config,
    model_config,
    rescaled,
    uses_hard_sigmoid,
)
from graphc.frontend_keras.saving.optimizer_state import interleaved
from graphc.frontend_keras.saving.text import MAX_TEXT, json_value, parse_json
from graphc.runtime.files import replacing

KERAS_VERSION = "3.15.1"  # whose form this is
MAGIC = b"PK\x03\x04"
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
_BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, UnicodeDecodeError, zlib.error, LZMAError,
           struct.error, OverflowError)
_RATIO, _SLACK = 1100, 1 << 20  # how much longer than in the archive a file may be


# ---- where weights lie


def places(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(way, layer) of all layers that hold no others; the ways are those of Keras 3."""
    inner = list(_inside(layer))
    if not inner:
        yield f"{path}vars", layer
    for name, part in inner:
        yield from places(part, f"{path}{name}/")


def _inside(layer: Any) -> Iterator[tuple[str, Any]]:
    kind = type(layer).__name__
    if hasattr(layer, "_is_graph_network"):
        yield from _numbered("layers", layer.layers)
    elif kind == "TimeDistributed":
        yield "layer", layer.layer
    elif kind == "Bidirectional":
        yield "forward_layer", layer.forward_layer
        yield "backward_layer", layer.backward_layer
    elif kind == "StackedRNNCells":
        yield from _numbered("cells", layer.cells)
    elif hasattr(layer, "cell"):
        yield "cell", layer.cell


def _numbered(container: str, layers: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    seen: Counter[str] = Counter()
    for layer in layers:
        name = snake_case("Functional" if type(layer).__name__ == "Model" else type(layer).__name__)
        yield f"{container}/{name}" + (f"_{seen[name]}" if seen[name] else ""), layer
        seen[name] += 1


def snake_case(name: str) -> str:
    """MaxPooling2D is max_pooling2d."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


# ---- writing


def write_archive(path: str, model: Any, include_optimizer: bool) -> None:
    """Write a model as Keras 3 does. Raises ModelFormatError for what it lacks; then there is no new file."""
    config = model_config(model)
    compiled = include_optimizer and model.optimizer is not None
    if compiled:
        config["compile_config"] = compile_config(model)
    about = {"keras_version": KERAS_VERSION, "date_saved": time.strftime("%Y-%m-%d@%H:%M:%S")}
    with replacing(path) as temporary, tempfile.NamedTemporaryFile(suffix=".h5") as weights:
        with hdf5.h5py().File(weights.name, "w") as file:
            _write(file, model)
            if compiled and model.optimizer.weights and not uses_hard_sigmoid(model):
                _write_arrays(file.create_group("optimizer/vars"), interleaved(model.optimizer))
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr("metadata.json", json.dumps(about))
            archive.writestr("config.json", json.dumps(config, default=json_value))
            archive.write(weights.name, "model.weights.h5")


def write_weights(path: Any, model: Any) -> None:
    """Write the weights alone, as a file .weights.h5."""
    with hdf5.writing(path) as file:
        _write(file, model)


def _write(file: Any, model: Any) -> None:
    for way, layer in places(model):
        group = file.create_group(way)
        group.attrs["name"] = layer.name
        _write_arrays(group, rescaled(layer, [K.get_value(weight) for weight in layer.weights]))


def _write_arrays(group: Any, arrays: Sequence[np.ndarray]) -> None:
    for number, array in enumerate(arrays):
        group.create_dataset(str(number), data=array)


# ---- reading


@contextmanager
def archive(path: str) -> Iterator[tuple[Any, str, Folder]]:
    """The configuration in an archive, the version of Keras that wrote it, and the root of its weights.

    Raises ModelFormatError, OSError.
    """
    with tempfile.NamedTemporaryFile(suffix=".h5") as weights:
        try:
            with zipfile.ZipFile(path) as file:
                config = parse_json(_text(file, "config.json", path), f"{path}, config.json")
                about = parse_json(_text(file, "metadata.json", path), f"{path}, metadata.json")
                with file.open(_entry(file, "model.weights.h5", path)) as source:
                    shutil.copyfileobj(source, weights)
        except _BROKEN as error:
            raise ModelFormatError("not an archive that can be read", where=path, got=str(error)[:200]) from error
        weights.flush()
        with hdf5.reading(weights.name) as root:
            yield config, str(about.get("keras_version", "3")) if isinstance(about, dict) else "3", root


def _entry(file: zipfile.ZipFile, name: str, path: str) -> zipfile.ZipInfo:
    found = [info for info in file.infolist() if info.filename == name]
    if len(found) != 1:
        raise ModelFormatError(f"the archive holds no {name}, or several", where=path,
                               got=", ".join(info.filename for info in file.infolist()[:10]))
    if found[0].file_size > _SLACK + _RATIO * found[0].compress_size:
        raise ModelFormatError(f"{name} declares more than it stores", where=path, got=found[0].file_size)
    return found[0]


def _text(file: zipfile.ZipFile, name: str, path: str) -> str:
    info = _entry(file, name, path)
    if info.file_size > MAX_TEXT:
        raise ModelFormatError(f"{name} is too long", where=path, expected=f"at most {MAX_TEXT} bytes")
    return file.read(info).decode("utf-8")


def is_weights(root: Folder) -> bool:
    """Whether weights lie here as Keras 3 lays them out."""
    return any(name in root for name in CONTAINERS)


def read_weights(root: Folder, model: Any) -> None:
    """Set the weights of a model. Raises ModelFormatError, ShapeError; then no weight has changed."""
    container = next((name for name in CONTAINERS if name in root), None)
    if container is None:
        raise ModelFormatError("the file holds no weights of layers", where=root.where,
                               expected=" or ".join(CONTAINERS))
    pairs = []
    for path, layer in places(model):
        weights = layer.weights
        if not weights:
            continue
        folder = root.folder(path.replace("layers/", f"{container}/") if container != "layers" else path)
        arrays = [folder.array(str(i), int(K.count_params(weight))) for i, weight in enumerate(weights)]
        if str(len(weights)) in folder:
            raise ShapeError("the file holds more weights than the layer has", where=folder.where,
                             expected=len(weights))
        if folder.has("name"):  # only Keras 3 names layers here; tf.keras has the hard sigmoid of Keras 2
            arrays = rescaled(layer, arrays, 1 / SLOPE)
        for weight, array in zip(weights, arrays, strict=True):
            if array.shape != tuple(K.int_shape(weight)):
                raise ShapeError("a weight of the file has another shape", where=f"{folder.where}, {weight.name}",
                                 expected=tuple(K.int_shape(weight)), got=array.shape)
            pairs.append((weight, array))
    K.batch_set_value(pairs)


def read_state(root: Folder, most: int) -> tuple[list[str], list[np.ndarray]]:
    """The optimizer's arrays as they are numbered, at most `most` numbers, under names that tell their order."""
    folder = root.folder("optimizer/vars")
    arrays: list[np.ndarray] = []
    while str(len(arrays)) in folder:
        arrays.append(folder.array(str(len(arrays)), most))
        most -= arrays[-1].size
    names = ["iteration", "learning_rate"][:1 + (len(arrays) > 1 and arrays[1].shape == ())]
    return names + ["slot"] * (len(arrays) - len(names)), arrays
