"""The architecture inside a Keras HDF5 file: two attributes of its root, both JSON. Nothing else is read.

What does not live here: what JSON may say (frontend_keras), weights.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import h5py

from graphc.errors import GraphcError, ModelFormatError
from graphc.frontend_keras import models, optimizers

MAX_TEXT = 16 * 2**20


def load_architecture(path: str) -> Any:
    """The model of the file, with new weights; compiled where the file says how.

    Raises ModelFormatError for what is no such file.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            architecture, training = _text(file, "model_config"), _text(file, "training_config")
    except OSError as error:
        raise ModelFormatError("not an HDF5 file that can be read", where=path, got=str(error)) from error
    if architecture is None:
        raise ModelFormatError("the file holds no model", where=path, expected="an attribute model_config",
                               fix="Files of weights alone name no layers.")
    model = models.model_from_json(architecture)
    if training is not None:
        _compile(model, training, path)
    return model


def _text(file: h5py.File, name: str) -> str | None:
    if name not in file.attrs:
        return None
    attribute = file.attrs.get_id(name)
    if attribute.shape != () or attribute.get_storage_size() > MAX_TEXT:
        raise ModelFormatError(f"{name} is not a text of at most {MAX_TEXT} bytes", got=f"shape {attribute.shape}")
    if h5py.check_string_dtype(attribute.dtype) is None:
        raise ModelFormatError(f"{name} is not a text", got=attribute.dtype)
    value = file.attrs[name]
    try:
        text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"{name} is not UTF-8 text", got=f"byte {error.start}") from error
    if len(text) > MAX_TEXT:
        raise ModelFormatError(f"{name} is too long", expected=f"at most {MAX_TEXT} characters", got=len(text))
    return text


def _compile(model: Any, training: str, path: str) -> None:
    """Compile as the file says; where that is impossible, a warning, and the model is not compiled."""
    try:
        config = json.loads(training)
        optimizer = optimizers.deserialize(config["optimizer_config"])
        model.compile(optimizer=optimizer, loss=config["loss"])
    except (GraphcError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        warnings.warn(f"{path}: its training configuration cannot be used: {error}", stacklevel=2)
