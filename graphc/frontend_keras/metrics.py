"""The metric functions of Keras 2.2.4: (y_true, y_pred) -> values whose mean is shown.

Every loss is also a metric. A stateful metric is a layer with `stateful = True` and `reset_states()`.

What does not live here: what 'accuracy' means for an output, averaging over batches (engine/, callbacks/).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import losses
from graphc.frontend_keras.backend.shaping import as_indices
from graphc.frontend_keras.losses import (
    KLD,
    MAE,
    MAPE,
    MSE,
    MSLE,
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    cosine,
    cosine_proximity,
    hinge,
    kld,
    kullback_leibler_divergence,
    logcosh,
    mae,
    mape,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    mse,
    msle,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from graphc.frontend_keras.utils.checks import known_keys
from graphc.frontend_keras.utils.generic_utils import class_name_of, deserialize_keras_object, serialize_keras_object

__all__ = ["KLD", "MAE", "MAPE", "MSE", "MSLE", "binary_accuracy", "binary_crossentropy", "categorical_accuracy",
           "categorical_crossentropy", "categorical_hinge", "clone_metric", "clone_metrics", "cosine",
           "cosine_proximity", "deserialize", "get", "hinge", "kld", "kullback_leibler_divergence", "logcosh", "mae",
           "mape", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
           "mean_squared_logarithmic_error", "mse", "msle", "poisson", "serialize", "sparse_categorical_accuracy",
           "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy", "squared_hinge",
           "top_k_categorical_accuracy"]


def binary_accuracy(y_true: Any, y_pred: Any) -> Any:
    """Share of the last axis where y_true equals y_pred rounded half to even; shape (batch, ...)."""
    return K.mean(K.equal(y_true, K.round(y_pred)), axis=-1)


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_true and of y_pred are at the same place of the last axis; shape (batch, ...)."""
    return K.cast(K.equal(K.argmax(y_true, axis=-1), K.argmax(y_pred, axis=-1)), K.floatx())


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where y_true is the place of the largest y_pred.

    y_true   class numbers of shape (batch, ...) or (batch, ..., 1)
    y_pred   (batch, ..., classes)
    """
    if K.ndim(y_true) == K.ndim(y_pred):
        y_true = K.squeeze(y_true, -1)
    best = K.cast(K.argmax(y_pred, axis=-1), K.floatx())
    return K.cast(K.equal(K.cast(y_true, K.floatx()), best), K.floatx())


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Share of the batch whose one-hot class is among the k largest predictions; a scalar."""
    return K.mean(K.in_top_k(y_pred, K.argmax(y_true, axis=-1), k), axis=-1)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """Share of the batch whose class number is among the k largest predictions; a scalar.

    y_true   (batch,) or (batch, 1); a number that is not whole is no class
    """
    return K.mean(K.in_top_k(y_pred, as_indices(K.flatten(y_true), "int32"), k), axis=-1)


_ACCURACIES = (binary_accuracy, categorical_accuracy, sparse_categorical_accuracy, top_k_categorical_accuracy,
               sparse_top_k_categorical_accuracy)

BUILT_IN = MappingProxyType(dict(losses.BUILT_IN) | {function.__name__: function for function in _ACCURACIES})
"""Every name of a metric function."""

_CLASSES = MappingProxyType({
    "BinaryAccuracy": binary_accuracy, "CategoricalAccuracy": categorical_accuracy,
    "SparseCategoricalAccuracy": sparse_categorical_accuracy,
    "TopKCategoricalAccuracy": top_k_categorical_accuracy,
    "SparseTopKCategoricalAccuracy": sparse_top_k_categorical_accuracy})

_NEUTRAL = MappingProxyType({"dtype": (None, "float32"), "threshold": (0.5,), "k": (5,), "from_logits": (False,),
                             "label_smoothing": (0,), "axis": (-1,), "ignore_class": (None,)})


def clone_metric(metric: Any) -> Any:
    """A new stateful metric with the configuration of `metric`; a function is its own clone."""
    if hasattr(metric, "get_config") and hasattr(type(metric), "from_config"):
        return type(metric).from_config(metric.get_config())
    return metric


def clone_metrics(metrics: Any) -> Any:
    """Clones of a list, dict or nested list of metrics; None stays None."""
    if metrics is None:
        return None
    if isinstance(metrics, Mapping):
        return {key: clone_metrics(value) for key, value in metrics.items()}
    if isinstance(metrics, (list, tuple)):
        return [clone_metrics(metric) for metric in metrics]
    return clone_metric(metrics)


def serialize(metric: Any) -> Any:
    """The name of a metric function, or the configuration of a stateful metric."""
    return serialize_keras_object(metric)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The metric of a name, or of the metric class in a configuration that a later Keras wrote.

    A MeanMetricWrapper stands for the function that it wraps: the mean over the batches is taken anyway.

    Raises ArgumentError for an unknown name, ModelFormatError for an option that is not at its neutral value.
    """
    class_name = class_name_of(config, custom_objects)
    if class_name == "MeanMetricWrapper":
        wrapped = known_keys(class_name, config["config"], ("name", "fn"), _NEUTRAL)
        return deserialize(wrapped.get("fn", wrapped.get("name")), custom_objects)
    if class_name in _CLASSES:
        known_keys(class_name, config["config"], ("name",), _NEUTRAL)
        return _CLASSES[class_name]
    if class_name in losses.CLASSES:
        return losses.deserialize(config, custom_objects)
    return deserialize_keras_object(config, module_objects=BUILT_IN, custom_objects=custom_objects,
                                    printable_module_name="metric function")


def get(identifier: Any) -> Any:
    """A metric from a name, a configuration or a callable.

    Raises ArgumentError for anything else.
    """
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    if callable(identifier):
        return identifier
    raise ArgumentError("Could not interpret metric function identifier",
                        expected="a name or a function (y_true, y_pred)", got=repr(identifier))
