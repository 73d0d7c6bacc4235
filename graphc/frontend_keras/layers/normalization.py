"""Batch normalisation.

What does not live here: the formulas (backend/normalization.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import constraints, initializers, regularizers
from graphc.frontend_keras.backend.normalization import sample_variance
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.utils.checks import KeywordError, finite

__all__ = ["BatchNormalization"]

BATCH_NORMALIZATION_1 = MappingProxyType({"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"})
_VARIANCES = ("sample", "batch", "batch unless 4-D")


def _without_mode(method: Callable[..., None]) -> Callable[..., None]:
    """A decorator for the `__init__`: keywords only, since they had another order in Keras 1, and no `mode` but 0."""

    @functools.wraps(method)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        title = type(self).__name__
        if args:
            raise KeywordError(f"The `{title}` layer does not accept positional arguments", where=title, got=args,
                               fix=f"Name them: {title}(axis=..., momentum=..., epsilon=...).")
        if "mode" in kwargs:
            mode = kwargs.pop("mode")
            if mode != 0:
                raise KeywordError("The `mode` argument no longer exists. `mode=1` and `mode=2` are no longer "
                                   "supported", where=title, got=f"mode={mode!r}")
            warn(f"Update your `{title}` call to the Keras 2 API: leave out `mode`")
        method(self, **kwargs)

    return wrapper


def _one_axis(axis: Any, where: str) -> int:
    alone = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
    if not isinstance(alone, (int, np.integer)) or isinstance(alone, bool):
        raise ArgumentError("`axis` is not one axis", where=where, expected="an integer", got=repr(axis))
    return int(alone)


class BatchNormalization(Layer):
    """Shifts and scales each feature so that it has mean 0 and variance 1 over a batch; gamma and beta undo it at will.

    All arguments are given by keyword.

    axis      the axis of the features; all others are averaged over; may be a list of one axis, as tf_keras writes
    momentum  in training the moving averages become momentum * average + (1 - momentum) * that of the batch
    epsilon   added to the variance, at least 0
    center, scale  whether there are beta and gamma
    moving_variance_of  "sample"; "batch" as in Keras 3; "batch unless 4-D" as in tf.keras

    In training a batch is normalised by its own mean and variance, else by the moving ones. The moving variance takes
    the batch's times n / (n - (1 + epsilon)), n elements per feature. `training` of a call: a phase of its own, 0 or
    False for the moving averages always. A layer that is not trainable keeps its averages, and still normalises by the
    batch in training.

    Keras 2.2.4 on TensorFlow differs in two ways, from Keras 2.3 and its own Theano backend as well: it ignores the
    initial averages (it divides by 1 - momentum^steps), and for 4-D inputs with channels last its kernel multiplies the
    batch's variance by n / (n - 1) before. Here the averages start where the initializers say, for all shapes alike.

    Weights: gamma, beta, moving_mean, moving_variance, all (features,). Raises KeywordError (a TypeError) for arguments
    by position and for a mode of Keras 1 other than 0, ShapeError for an unknown number of features.
    """

    supports_masking = True

    @_without_mode
    @renamed_keywords(BATCH_NORMALIZATION_1)
    def __init__(self, axis: Any = -1, momentum: float = 0.99, epsilon: float = 1e-3, center: bool = True,
                 scale: bool = True, beta_initializer: Any = "zeros", gamma_initializer: Any = "ones",
                 moving_mean_initializer: Any = "zeros", moving_variance_initializer: Any = "ones",
                 beta_regularizer: Any = None, gamma_regularizer: Any = None, beta_constraint: Any = None,
                 gamma_constraint: Any = None, moving_variance_of: str = "sample", **kwargs: Any):
        super().__init__(**kwargs)
        if moving_variance_of not in _VARIANCES:
            raise ArgumentError("`moving_variance_of` is none of its values", where=self.name,
                                expected=", ".join(_VARIANCES), got=repr(moving_variance_of))
        self.moving_variance_of = moving_variance_of
        self.axis, self.momentum = _one_axis(axis, self.name), momentum
        self.epsilon = finite(epsilon, "epsilon", self.name, at_least=0)
        self.center, self.scale = center, scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer, self.gamma_regularizer = map(regularizers.get, (beta_regularizer, gamma_regularizer))
        self.beta_constraint, self.gamma_constraint = map(constraints.get, (beta_constraint, gamma_constraint))

    def build(self, input_shape: Any) -> None:
        if not -len(input_shape) <= self.axis < len(input_shape):
            raise ShapeError(f"the input has no axis {self.axis}", where=self.name, got=tuple(input_shape))
        features = input_shape[self.axis]
        if features is None:
            raise ShapeError(f"Axis {self.axis} of input tensor should have a defined dimension but the layer received "
                             f"an input with shape {tuple(input_shape)}.", where=self.name)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: features})
        self.gamma = self.add_weight("gamma", (features,), initializer=self.gamma_initializer,
                                     regularizer=self.gamma_regularizer,
                                     constraint=self.gamma_constraint) if self.scale else None
        self.beta = self.add_weight("beta", (features,), initializer=self.beta_initializer,
                                    regularizer=self.beta_regularizer,
                                    constraint=self.beta_constraint) if self.center else None
        self.moving_mean = self.add_weight("moving_mean", (features,), initializer=self.moving_mean_initializer,
                                           trainable=False)
        self.moving_variance = self.add_weight("moving_variance", (features,),
                                               initializer=self.moving_variance_initializer, trainable=False)
        self.built = True

    def call(self, inputs: Any, training: Any = None) -> Any:  # type: ignore[override]
        axis = self.axis % K.ndim(inputs)

        def by_moving_averages() -> Any:
            return K.batch_normalization(inputs, self.moving_mean, self.moving_variance, self.beta, self.gamma,
                                         axis=axis, epsilon=self.epsilon)

        if not K.is_tensor(training) and training in (0, False):
            return by_moving_averages()
        others = [i for i in range(K.ndim(inputs)) if i != axis]
        normed, mean, variance = K.normalize_batch_in_training(inputs, self.gamma, self.beta, others, self.epsilon)
        if self.moving_variance_of == "sample" or (self.moving_variance_of != "batch" and K.ndim(inputs) == 4):
            variance = sample_variance(variance, inputs, others, self.epsilon)
        self.add_update([K.moving_average_update(self.moving_mean, mean, self.momentum),
                         K.moving_average_update(self.moving_variance, variance, self.momentum)], inputs)
        return K.in_train_phase(normed, by_moving_averages, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "momentum": self.momentum, "epsilon": self.epsilon,
                "center": self.center, "scale": self.scale,
                **{f"{name}_initializer": initializers.serialize(getattr(self, f"{name}_initializer"))
                   for name in ("beta", "gamma", "moving_mean", "moving_variance")},
                "beta_regularizer": regularizers.serialize(self.beta_regularizer),
                "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
                "beta_constraint": constraints.serialize(self.beta_constraint),
                "gamma_constraint": constraints.serialize(self.gamma_constraint),
                **({"moving_variance_of": self.moving_variance_of} if self.moving_variance_of != "sample" else {})}
