"""Weights of samples and classes, as one array per output.

What does not live here: what weights do to a loss (objectives.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, DTypeError, ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.shapes import length_of
from graphc.frontend_keras.utils.checks import KeywordError


def weight_arrays(sample_weight: Any, class_weight: Any, targets: Sequence[Any], names: Sequence[str],
                  modes: Sequence[str | None]) -> list[np.ndarray] | None:
    """One array of weights per output, or None where all weights are 1.

    sample_weight  an array, or arrays by position or name; (samples,), or (samples, steps) in mode "temporal"
    class_weight   class -> weight, or such dicts by position or name; sample_weight goes before it

    Entries for outputs that do not exist, and class weights that are no dict, are ignored with a warning. Raises
    ShapeError, ArgumentError (ValueErrors), KeywordError, DTypeError (TypeErrors).
    """
    by_sample = _per_output(sample_weight, names, "sample_weight")
    by_class = _per_output(class_weight, names, "class_weight")
    for one in by_class:
        if one is not None and not isinstance(one, Mapping):
            warn(f"`class_weight` is no dict of class -> weight and is ignored: {one!r:.200}")
    if all(w is None for w in by_sample) and not any(isinstance(c, Mapping) for c in by_class):
        for name, target, mode in zip(names, targets, modes):
            _check_mode(name, target, None, mode)
        return None
    return [_weights(*one) for one in zip(names, targets, by_sample, by_class, modes)]


def _per_output(given: Any, names: Sequence[str], what: str) -> list[Any]:
    if given is None or length_of(given) == 0:
        return [None] * len(names)
    if len(names) == 1:
        if isinstance(given, (list, tuple)) and len(given) == 1 and not np.isscalar(given[0]):
            return list(given)
        return [given[names[0]]] if isinstance(given, Mapping) and names[0] in given else [given]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ArgumentError(f"Provided `{what}` was a list of {len(given)} elements, but the model has "
                                f"{len(names)} outputs. You should provide one `{what}` array per model output")
        return list(given)
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                warn(f"Unknown entry in {what} dictionary: \"{name}\". It is ignored; the outputs are "
                     f"{list(names)}")
        return [given.get(name) for name in names]
    raise KeywordError(f"The model has multiple outputs, so `{what}` should be either a list or a dict. Provided "
                       f"`{what}` type not understood", got=type(given).__name__)


def _check_mode(name: str, target: Any, weights: Any, mode: str | None) -> None:
    if mode == "temporal":
        if len(target.shape) < 3:
            raise ShapeError(f"Found a sample_weight array for an input with shape {tuple(target.shape)}. "
                             "Timestep-wise sample weighting (use of sample_weight_mode=\"temporal\") is restricted to "
                             "outputs that are at least 3D, i.e. that have a time dimension", where=name)
        if weights is not None and weights.ndim != 2:
            raise ShapeError(f"Found a sample_weight array with shape {weights.shape}. In order to use timestep-wise "
                             "sample weighting, you should pass a 2D sample_weight array", where=name)
    elif weights is not None and weights.ndim != 1:
        raise ShapeError(f"Found a sample_weight array with shape {weights.shape}. In order to use timestep-wise "
                         "sample weights, you should specify sample_weight_mode=\"temporal\" in compile(). If you just "
                         "mean to use sample-wise weights, make sure your sample_weight array is 1D", where=name)


def _weights(name: str, target: Any, sample_weight: Any, class_weight: Any, mode: str | None) -> np.ndarray:
    given = None if sample_weight is None else np.asarray(getattr(sample_weight, "values", sample_weight))
    _check_mode(name, target, given, mode)
    if given is not None:
        if given.ndim > len(target.shape) or tuple(target.shape[:given.ndim]) != given.shape:
            raise ShapeError(f"Found a sample_weight array with shape {given.shape} for an input with shape "
                             f"{tuple(target.shape)}. sample_weight cannot be broadcast", where=name)
        if isinstance(class_weight, Mapping):
            warn("Found both `sample_weight` and `class_weight`: `class_weight` argument will be ignored.")
        return _numbers(given, "sample_weight", name)
    if isinstance(class_weight, Mapping):
        return _by_class(name, target, class_weight)
    shape = target.shape[:2] if mode == "temporal" else target.shape[:1]
    return np.ones(shape, dtype=K.floatx())


def _by_class(name: str, target: Any, class_weight: Mapping[Any, float]) -> np.ndarray:
    if len(target.shape) > 2:
        raise ShapeError("`class_weight` not supported for 3+ dimensional targets", where=name,
                         got=tuple(target.shape))
    target = np.asarray(target)
    classes = target.argmax(axis=1) if target.shape[1] > 1 else target.reshape(-1)
    found, places = np.unique(classes, return_inverse=True)
    missing = [one.item() for one in found if one not in class_weight]
    if missing:
        raise ArgumentError(f"`class_weight` must contain all classes in the data. The classes {set(missing)} exist in "
                            "the data but not in `class_weight`", where=name)
    return _numbers([class_weight[one] for one in found], "class_weight", name)[places.reshape(-1)]


def _numbers(values: Any, what: str, name: str) -> np.ndarray:
    try:
        array = np.asarray(values)
        if array.dtype == object and any(one is None for one in array.flat):
            raise TypeError("None")
        return np.asarray(array, dtype=K.floatx())
    except (TypeError, ValueError) as error:
        raise DTypeError(f"`{what}` holds no numbers", where=name, expected="numbers", got=f"{error!s:.200}") from error
