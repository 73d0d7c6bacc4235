"""The activation functions of Keras 2.2.4 and how names stand for them.

What does not live here: activations that have weights or are layers (layers/).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import ArgumentError, ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.registry import deserialize_layer
from graphc.frontend_keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object

__all__ = ["deserialize", "elu", "exponential", "get", "hard_sigmoid", "hard_sigmoid_keras3", "linear", "relu", "selu",
           "serialize", "sigmoid", "softmax", "softplus", "softsign", "tanh"]

# Klambauer et al., "Self-Normalizing Neural Networks", 2017, eq. 14: mean 0 and variance 1 are the fixed point.
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x - max) / sum(exp(x - max)) along `axis`; the shape of x.

    Raises ShapeError for fewer than two axes.
    """
    if K.ndim(x) < 2:
        raise ShapeError("Cannot apply softmax to a tensor that is 1D", where="softmax",
                         expected="a batch axis and at least one more", got=K.int_shape(x))
    return K.softmax(x, axis=axis)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha * (exp(x) - 1)."""
    return K.elu(x, alpha)


def selu(x: Any) -> Any:
    """scale * elu(x, alpha), with the constants of self-normalizing networks."""
    return _SELU_SCALE * K.elu(x, _SELU_ALPHA)


def softplus(x: Any) -> Any:
    """log(exp(x) + 1)."""
    return K.softplus(x)


def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    return K.softsign(x)


def relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    """x where x >= threshold, else alpha * (x - threshold); never above max_value.

    alpha      slope below the threshold
    max_value  upper bound, or None
    """
    return K.relu(x, alpha=alpha, max_value=max_value, threshold=threshold)


def tanh(x: Any) -> Any:
    return K.tanh(x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return K.sigmoid(x)


def hard_sigmoid(x: Any) -> Any:
    """0.2 x + 0.5, between 0 and 1; not the x / 6 + 0.5 of Keras 3."""
    return K.hard_sigmoid(x)


def hard_sigmoid_keras3(x: Any) -> Any:
    """x / 6 + 0.5, between 0 and 1: what Keras 3 calls hard_sigmoid."""
    return K.clip(x / 6.0 + 0.5, 0.0, 1.0)


def exponential(x: Any) -> Any:
    return K.exp(x)


def linear(x: Any) -> Any:
    """x itself."""
    return x


_ACTIVATIONS = MappingProxyType({function.__name__: function for function in (
    softmax, elu, selu, softplus, softsign, relu, tanh, sigmoid, hard_sigmoid, hard_sigmoid_keras3, exponential,
    linear)})


def serialize(activation: Any) -> Any:
    """The name of an activation function, or {"class_name", "config"} of a layer in its place.

    Raises ArgumentError for what has neither a name nor a configuration, and for a layer with weights, which no
    configuration holds.
    """
    if getattr(activation, "weights", None):
        raise ArgumentError("the weights of this activation would be lost", where=type(activation).__name__,
                            got=repr(activation), fix="Add it to the model as a layer of its own.")
    try:
        return serialize_keras_object(activation)
    except ArgumentError as error:
        error.where, error.fix = "activation", "Write it as a function with a name (def), or as a layer."
        raise


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The function that `name` stands for, or the layer of a configuration.

    Raises ArgumentError for an unknown name, ModelFormatError for a configuration that does not fit its class.
    """
    if isinstance(name, Mapping):
        return deserialize_layer(name, custom_objects)
    return deserialize_keras_object(name, module_objects=_ACTIVATIONS, custom_objects=custom_objects,
                                    printable_module_name="activation function")


def get(identifier: Any) -> Any:
    """An activation from a name, a configuration, a callable, or None for `linear`.

    Raises ArgumentError for anything else. A layer is taken with a warning.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, (str, Mapping)):
        return deserialize(identifier)
    if not callable(identifier):
        raise ArgumentError("Could not interpret activation function identifier",
                            expected="a name, a function or None", got=repr(identifier))
    if hasattr(identifier, "_inbound_nodes"):
        warn(f"Do not pass a layer instance (such as {type(identifier).__name__}) as the activation "
             "argument of another layer; add it to the model as a layer of its own.")
    return identifier
