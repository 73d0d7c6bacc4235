"""The loss functions of Keras 2.2.4: (y_true, y_pred) -> one value per sample, the last axis reduced.

Formulas are those of Keras 2.2.4; eps is K.epsilon(). y_true and y_pred are float tensors of one shape
(batch, ..., n), except where a function says otherwise; the result has shape (batch, ...).

What does not live here: weighting, masking and the mean over the batch (engine/).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.utils.checks import known_keys
from graphc.frontend_keras.utils.generic_utils import class_name_of, deserialize_keras_object, serialize_keras_object

__all__ = ["KLD", "MAE", "MAPE", "MSE", "MSLE", "binary_crossentropy", "categorical_crossentropy", "categorical_hinge",
           "cosine", "cosine_proximity", "deserialize", "get", "hinge", "kld", "kullback_leibler_divergence",
           "logcosh", "mae", "mape", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
           "mean_squared_logarithmic_error", "mse", "msle", "poisson", "serialize", "sparse_categorical_crossentropy",
           "squared_hinge"]


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """mean((y_pred - y_true)^2)."""
    return K.mean(K.square(y_pred - y_true), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """mean(|y_pred - y_true|)."""
    return K.mean(K.abs(y_pred - y_true), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Any:
    """100 mean(|(y_true - y_pred) / max(|y_true|, eps)|)."""
    relative = K.abs((y_true - y_pred) / K.clip(K.abs(y_true), K.epsilon(), None))
    return 100.0 * K.mean(relative, axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Any:
    """mean((log(1 + max(y_pred, eps)) - log(1 + max(y_true, eps)))^2)."""
    log_pred = K.log(K.clip(y_pred, K.epsilon(), None) + 1.0)
    log_true = K.log(K.clip(y_true, K.epsilon(), None) + 1.0)
    return K.mean(K.square(log_pred - log_true), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Any:
    """mean(max(1 - y_true y_pred, 0)^2), for y_true of -1 and 1."""
    return K.mean(K.square(K.maximum(1.0 - y_true * y_pred, 0.0)), axis=-1)


def hinge(y_true: Any, y_pred: Any) -> Any:
    """mean(max(1 - y_true y_pred, 0)), for y_true of -1 and 1."""
    return K.mean(K.maximum(1.0 - y_true * y_pred, 0.0), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Any:
    """max(0, max((1 - y_true) y_pred) - sum(y_true y_pred) + 1), for one-hot y_true."""
    positive = K.sum(y_true * y_pred, axis=-1)
    negative = K.max((1.0 - y_true) * y_pred, axis=-1)
    return K.maximum(0.0, negative - positive + 1.0)


def logcosh(y_true: Any, y_pred: Any) -> Any:
    """mean(log(cosh(d))) of d = y_pred - y_true, as d + softplus(-2 d) - log 2, which does not overflow."""
    difference = y_pred - y_true
    return K.mean(difference + K.softplus(-2.0 * difference) - math.log(2.0), axis=-1)


def categorical_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """-sum(y_true log(p)), with p = y_pred / sum(y_pred) within [eps, 1 - eps]."""
    return K.categorical_crossentropy(y_true, y_pred)


def sparse_categorical_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """-log(p[y_true]) with p = y_pred within [eps, 1 - eps], renormalised.

    y_true   class numbers, of shape (batch, ...) or (batch, ..., 1)
    """
    return K.sparse_categorical_crossentropy(y_true, y_pred)


def binary_crossentropy(y_true: Any, y_pred: Any) -> Any:
    """mean(-y_true log(p) - (1 - y_true) log(1 - p)), with p = y_pred within [eps, 1 - eps]."""
    return K.mean(K.binary_crossentropy(y_true, y_pred), axis=-1)


def kullback_leibler_divergence(y_true: Any, y_pred: Any) -> Any:
    """sum(t log(t / p)), with t and p = y_true and y_pred within [eps, 1]."""
    y_true = K.clip(y_true, K.epsilon(), 1.0)
    y_pred = K.clip(y_pred, K.epsilon(), 1.0)
    return K.sum(y_true * K.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Any:
    """mean(y_pred - y_true log(y_pred + eps))."""
    return K.mean(y_pred - y_true * K.log(y_pred + K.epsilon()), axis=-1)


def cosine_proximity(y_true: Any, y_pred: Any) -> Any:
    """-sum(t p) of t and p = y_true and y_pred divided by their L2 norms."""
    return -K.sum(K.l2_normalize(y_true, axis=-1) * K.l2_normalize(y_pred, axis=-1), axis=-1)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = KLD = kullback_leibler_divergence
cosine = cosine_proximity

_FUNCTIONS = (
    mean_squared_error, mean_absolute_error, mean_absolute_percentage_error, mean_squared_logarithmic_error,
    squared_hinge, hinge, categorical_hinge, logcosh, categorical_crossentropy, sparse_categorical_crossentropy,
    binary_crossentropy, kullback_leibler_divergence, poisson, cosine_proximity)

BUILT_IN = MappingProxyType({function.__name__: function for function in _FUNCTIONS} | {
    "mse": mse, "MSE": mse, "mae": mae, "MAE": mae, "mape": mape, "MAPE": mape, "msle": msle, "MSLE": msle,
    "kld": kld, "KLD": kld, "cosine": cosine})
"""Every name of a loss function."""

CLASSES = MappingProxyType({
    "MeanSquaredError": mean_squared_error, "MeanAbsoluteError": mean_absolute_error,
    "MeanAbsolutePercentageError": mean_absolute_percentage_error,
    "MeanSquaredLogarithmicError": mean_squared_logarithmic_error, "SquaredHinge": squared_hinge, "Hinge": hinge,
    "CategoricalHinge": categorical_hinge, "LogCosh": logcosh, "CategoricalCrossentropy": categorical_crossentropy,
    "SparseCategoricalCrossentropy": sparse_categorical_crossentropy, "BinaryCrossentropy": binary_crossentropy,
    "KLDivergence": kullback_leibler_divergence, "Poisson": poisson, "CosineSimilarity": cosine_proximity})

_NEUTRAL = MappingProxyType({
    "reduction": (None, "auto", "sum_over_batch_size"), "from_logits": (False,), "label_smoothing": (0,),
    "axis": (-1,), "ignore_class": (None,), "dtype": (None, "float32")})


def serialize(loss: Any) -> Any:
    """The name of a loss function."""
    return serialize_keras_object(loss)


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The function of a name, or of the loss class in a configuration that a later Keras wrote.

    Raises ArgumentError for an unknown name, ModelFormatError for an option that is not at its neutral value.
    """
    class_name = class_name_of(name, custom_objects)
    if class_name in CLASSES:
        known_keys(class_name, name["config"], ("name", "fn"), _NEUTRAL)
        return CLASSES[class_name]
    return deserialize_keras_object(name, module_objects=BUILT_IN, custom_objects=custom_objects,
                                    printable_module_name="loss function")


def get(identifier: Any) -> Any:
    """A loss from a name, a configuration or a callable; None stays None.

    Raises ArgumentError for anything else.
    """
    if identifier is None:
        return None
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ArgumentError("Could not interpret loss function identifier",
                        expected="a name, a function (y_true, y_pred) or None", got=repr(identifier))
