"""Models in files of weights and all, as commands take them: what is missing or cannot be used is no error here.

What does not live here: reading files (frontend_keras/saving/).
"""

from __future__ import annotations

import warnings
from typing import Any

from graphc.errors import GraphcError, ModelFormatError
from graphc.frontend_keras.models import load_model
from graphc.frontend_keras.saving import hdf5, keras3
from graphc.frontend_keras.saving.text import model_from_json, parse_json
from graphc.frontend_keras.saving.training_config import compile_model


class WeightsAloneError(ModelFormatError):
    """A HDF5 file without an architecture, such as one of weights alone."""


def load_file(path: str) -> Any:
    """The model of a HDF5 file or an archive; with new weights where the file holds none, compiled where it says how.

    Raises OSError, ModelFormatError for what is no such file.
    """
    texts = _texts_alone(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No training configuration")
        if texts is None:
            model = load_model(path, compile=False)
        else:
            model = model_from_json(texts[0])
        try:
            if texts is None:
                return load_model(path)
            if texts[1] is not None:
                compile_model(model, parse_json(texts[1], "training_config"), None, path)
            return model
        except (GraphcError, ValueError, TypeError, KeyError, AttributeError) as error:
            reason = str(error)
    warnings.warn(f"{path}: its training configuration cannot be used: {reason}", stacklevel=2)
    return model


def holds_weights(path: str) -> bool:
    """Whether a HDF5 file or an archive that holds a model holds its weights too. Raises as `load_file`."""
    return _texts_alone(path) is None


def _texts_alone(path: str) -> tuple[str, str | None] | None:
    """Architecture and training of a HDF5 file that holds no weights."""
    with open(path, "rb") as file:
        if file.read(len(keras3.MAGIC)) == keras3.MAGIC:
            return None
    with hdf5.reading(path) as root:
        if "model_weights" in root:
            return None
        architecture = root.text("model_config")
        if architecture is None:
            raise WeightsAloneError("the file holds no model", where=path, expected="an attribute model_config",
                                   fix="Files of weights alone name no layers.")
        return architecture, root.text("training_config")
