"""The names of keras.engine.saving (keras.engine.topology before Keras 2.2): models and weights in files.

What does not live here: what they do (saving/), which needs h5py and is imported when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.frontend_keras.saving.text import model_from_config, model_from_json, model_from_yaml

__all__ = ["load_model", "load_weights_from_hdf5_group", "load_weights_from_hdf5_group_by_name", "model_from_config",
           "model_from_json", "model_from_yaml", "save_model", "save_weights_to_hdf5_group"]


def save_model(model: Any, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
    """Write a model as Keras 2 does: architecture, weights and, if it is compiled, how it is trained, in one HDF5 file.

    filepath           a path, or an open h5py group
    overwrite          whether to replace a file that exists without asking
    include_optimizer  whether to write optimizer, loss, metrics and the optimizer's state

    Raises ArgumentError for a model that is not built.
    """
    model.save(filepath, overwrite, include_optimizer)


def load_model(filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Any:
    """The model of a file, with its weights; compiled, and training can go on where it stopped, if the file says how.

    custom_objects  name -> class or function, for what is not part of Keras

    Raises OSError, ModelFormatError, ArgumentError (unknown names).
    """
    from graphc.frontend_keras.saving.model_files import load_model as load
    return load(filepath, custom_objects, compile)


def save_weights_to_hdf5_group(f: Any, layers: Sequence[Any]) -> None:
    """Write the weights of `layers` into a h5py group."""
    from graphc.frontend_keras.saving.weight_files import write_weights
    write_weights(f, layers)


def load_weights_from_hdf5_group(f: Any, layers: Sequence[Any], reshape: bool = False) -> None:
    """Set the weights of `layers`, in order, from a h5py group.

    Raises ModelFormatError, ShapeError (ValueErrors); then no weight has changed.
    """
    from graphc.frontend_keras.saving import hdf5, weight_files
    with hdf5.reading(f) as root:
        weight_files.read_weights(root, layers, reshape)


def load_weights_from_hdf5_group_by_name(f: Any, layers: Sequence[Any], skip_mismatch: bool = False,
                                         reshape: bool = False) -> None:
    """Set the weights of those `layers` whose names the h5py group lists. Raises as above."""
    from graphc.frontend_keras.saving import hdf5, weight_files
    with hdf5.reading(f) as root:
        weight_files.read_weights_by_name(root, layers, skip_mismatch, reshape)
