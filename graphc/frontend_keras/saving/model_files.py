"""save_model, load_model, save_weights, load_weights: whole models, and weights alone, in HDF5 files of Keras 2.

What does not live here: archives of Keras 3 (keras3.py), what text says (text.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from graphc.errors import ArgumentError, GraphcError, ModelFormatError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.saving import hdf5, keras3
from graphc.frontend_keras.saving.hdf5 import Folder
from graphc.frontend_keras.saving.optimizer_state import ordered
from graphc.frontend_keras.saving.text import KERAS_VERSION, described, json_value, model_from_config, parse_json
from graphc.frontend_keras.saving.training_config import compile_model, training_config
from graphc.frontend_keras.saving.weight_files import (
    read_arrays,
    read_weights,
    read_weights_by_name,
    write_arrays,
    write_weights,
)
from graphc.frontend_keras.utils.io_utils import ask_to_proceed_with_overwrite


def save_model(model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Architecture, weights and, of a compiled model, how it is trained and the optimizer's state, in one HDF5 file.

    filepath  a path, or an open h5py group; a file takes its place only when it is whole. A path that ends in .keras
              gets an archive of Keras 3

    Raises ArgumentError for a model that has no weights yet because nobody told it its input.
    """
    if not model.built:
        raise ArgumentError("a model that is not built yet cannot be saved", where=model.name,
                            fix="Give the first layer an input_shape, or call the model on data.")
    if not _may_write(filepath, overwrite):
        return
    if _ends_with(filepath, ".keras"):
        keras3.write_archive(os.fspath(filepath), model, include_optimizer)
        return
    about = described(model)
    with hdf5.writing(filepath) as file:
        file.attrs["keras_version"], file.attrs["backend"] = KERAS_VERSION.encode(), K.backend().encode()
        file.attrs["model_config"] = _json({key: about[key] for key in ("class_name", "config")})
        write_weights(file.create_group("model_weights"), model.layers)
        if include_optimizer and getattr(model, "optimizer", None) is not None:
            file.attrs["training_config"] = _json(training_config(model))
            if model.optimizer.weights:
                write_arrays(file.create_group("optimizer_weights"), model.optimizer.weights)


def load_model(filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Any:
    """The model of a file, with its weights; compiled, with the optimizer's state, where the file says how.

    filepath        a path, or an open h5py group or Folder
    custom_objects  name -> class or function, for what is not part of Keras

    Raises OSError, ModelFormatError for what is no such file, ArgumentError for unknown names.
    """
    if _starts_with(filepath, keras3.MAGIC):
        return _load_archive(os.fspath(filepath), custom_objects, compile)
    with hdf5.reading(filepath) as root:
        config = root.text("model_config")
        if config is None:
            raise ModelFormatError("No model found in config file", where=_name(filepath),
                                   expected="an attribute model_config",
                                   fix="A file of weights alone is loaded by model.load_weights.")
        version = root.text("keras_version") or "1"
        model = model_from_config(parse_json(config, "model_config"), custom_objects, version)
        read_weights(root.folder("model_weights"), model.layers)
        if compile:
            _compile(model, root, custom_objects, _name(filepath))
    return model


def save_weights(model: Any, filepath: Any, overwrite: bool = True) -> None:
    """The weights of all layers in a HDF5 file; one that ends in .weights.h5 is laid out as in Keras 3."""
    if not _may_write(filepath, overwrite):
        return
    if _ends_with(filepath, ".weights.h5"):
        keras3.write_weights(filepath, model)
    else:
        with hdf5.writing(filepath) as file:
            write_weights(file, model.layers)


def load_weights(model: Any, filepath: Any, by_name: bool = False, skip_mismatch: bool = False,
                 reshape: bool = False) -> None:
    """Set weights from a file of weights or of a whole model.

    Raises OSError, ModelFormatError, ShapeError; then no weight has changed.
    """
    with hdf5.reading(filepath) as root:
        if keras3.is_weights(root):
            if by_name:
                raise ArgumentError("files of weights of Keras 3 name no layers", where=_name(filepath),
                                    fix="Load them in order: by_name=False.")
            keras3.read_weights(root, model)
        elif by_name:
            read_weights_by_name(root, model.layers, skip_mismatch, reshape)
        else:
            read_weights(root, model.layers, reshape)


def _load_archive(path: str, custom_objects: Mapping[str, Any] | None, compile: bool) -> Any:
    with keras3.archive(path) as (config, version, root):
        model = model_from_config(config, custom_objects, version)
        keras3.read_weights(root, model)
        training = config.get("compile_config")
        if compile and training is None:
            _warn_of_no_training()
        elif compile:
            compile_model(model, training, custom_objects, path)
            if "optimizer" in root and model.optimizer is not None:
                model._make_train_function()
                _set_state(model.optimizer, *keras3.read_state(root, _most(model.optimizer)))
    return model


def _compile(model: Any, root: Folder, custom_objects: Mapping[str, Any] | None, where: str) -> None:
    config = root.text("training_config")
    if config is None:
        _warn_of_no_training()
        return
    compile_model(model, parse_json(config, "training_config"), custom_objects, where)
    if "optimizer_weights" in root and model.optimizer is not None:
        model._make_train_function()
        folder = root.folder("optimizer_weights")
        _set_state(model.optimizer, folder.texts("weight_names"), read_arrays(folder, _most(model.optimizer)))


def _most(optimizer: Any) -> int:
    """How many numbers its state may be in a file."""
    return 2 * sum(int(K.count_params(weight)) for weight in optimizer.weights) + 1024


def _set_state(optimizer: Any, names: list[str], arrays: list[Any]) -> None:
    """The optimizer's weights; a warning where they do not fit."""
    try:
        optimizer.set_weights(ordered(optimizer, names, arrays))
    except GraphcError as error:
        warn("Error in loading the saved optimizer state. As a result, your model is starting with a freshly "
             f"initialized optimizer: {error}")


def _warn_of_no_training() -> None:
    warn("No training configuration found in save file: the model was *not* compiled. Compile it manually.")


def _ends_with(filepath: Any, ending: str) -> bool:
    return isinstance(filepath, (str, os.PathLike)) and os.fspath(filepath).endswith(ending)


def _starts_with(filepath: Any, magic: bytes) -> bool:
    if not isinstance(filepath, (str, os.PathLike)):
        return False
    with open(filepath, "rb") as file:
        return file.read(len(magic)) == magic


def _may_write(filepath: Any, overwrite: bool) -> bool:
    exists = isinstance(filepath, (str, os.PathLike)) and os.path.exists(filepath)
    return overwrite or not exists or ask_to_proceed_with_overwrite(_name(filepath))


def _name(filepath: Any) -> str:
    return str(os.fspath(filepath)) if isinstance(filepath, (str, os.PathLike)) else "the HDF5 group"


def _json(value: Any) -> bytes:
    return json.dumps(value, default=json_value).encode("utf-8")
