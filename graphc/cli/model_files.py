"""Models in files of weights and all, as commands take them: what is missing or cannot be used is no error here.

What does not live here: reading files (frontend_keras/saving/).
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from graphc.errors import GraphcError, ModelFormatError, warn
from graphc.frontend_keras.models import load_model
from graphc.frontend_keras.saving import hdf5, keras3
from graphc.frontend_keras.saving.text import model_from_json, parse_json
from graphc.frontend_keras.saving.training_config import compile_model

UNUSABLE = (GraphcError, ValueError, TypeError, KeyError, AttributeError)  # what a training configuration may cause


class WeightsAloneError(ModelFormatError):
    """A HDF5 file without an architecture, such as one of weights alone."""


def parsing(trusted: bool) -> AbstractContextManager[None]:
    """Inside of it HDF5 files are parsed by this process, where they are trusted, or by one of its own."""
    return nullcontext() if trusted else hdf5.untrusted()


def load_file(path: str, trusted: bool) -> Any:
    """The model of a HDF5 file or an archive; with new weights where the file holds none, compiled where it says how.

    trusted  this process parses the file, else one of its own

    Raises OSError, ModelFormatError for what is no such file.
    """
    with parsing(trusted):
        if _is_archive(path):
            return _with_weights(path, path)
        with hdf5.reading(path) as root:
            return _with_weights(root, path) if "model_weights" in root else _without_weights(root, path)


def holds_weights(path: str, trusted: bool) -> bool:
    """Whether a HDF5 file or an archive that holds a model holds its weights too. Raises as `load_file`."""
    with parsing(trusted):
        if _is_archive(path):
            return True
        with hdf5.reading(path) as root:
            return "model_weights" in root


def _is_archive(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(len(keras3.MAGIC)) == keras3.MAGIC


def _with_weights(source: str | hdf5.Folder, path: str) -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No training configuration")
        try:
            return load_model(source)
        except UNUSABLE as error:
            reason = error
        model = load_model(source, compile=False)  # what is wrong with more than the training ends here
    _warn(path, reason)
    return model


def _without_weights(root: hdf5.Folder, path: str) -> Any:
    architecture = root.text("model_config")
    if architecture is None:
        raise WeightsAloneError("the file holds no model", where=path, expected="an attribute model_config",
                                fix="Files of weights alone name no layers.")
    model = model_from_json(architecture)
    try:
        training = root.text("training_config")
        if training is not None:
            compile_model(model, parse_json(training, "training_config"), None, path)
    except UNUSABLE as error:
        _warn(path, error)
    return model


def _warn(path: str, reason: Exception) -> None:
    warn(f"{path}: its training configuration cannot be used: {reason}")
