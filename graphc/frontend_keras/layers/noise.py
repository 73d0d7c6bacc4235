"""Layers that add noise in training and nothing else.

What does not live here: Dropout (core.py).
"""

from __future__ import annotations

from math import sqrt
from typing import Any

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.utils.checks import finite

__all__ = ["AlphaDropout", "GaussianDropout", "GaussianNoise"]

# Klambauer et al., "Self-Normalizing Neural Networks", 2017: what a dropped unit becomes is -scale * alpha of SELU.
_DROPPED = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946


class GaussianNoise(Layer):
    """In training, normal noise of standard deviation `stddev` is added."""

    supports_masking = True

    @renamed_keywords({"sigma": "stddev"})
    def __init__(self, stddev: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.stddev = finite(stddev, "stddev", self.name, at_least=0)

    def call(self, inputs: Any, training: Any = None) -> Any:  # type: ignore[override]
        return K.in_train_phase(
            lambda: inputs + K.random_normal(shape=K.shape(inputs), mean=0.0, stddev=self.stddev), inputs,
            training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev}


class GaussianDropout(Layer):
    """In training, inputs are multiplied by normal noise of mean 1 and variance rate / (1 - rate)."""

    supports_masking = True

    @renamed_keywords({"p": "rate"})
    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = finite(rate, "rate", self.name)

    def call(self, inputs: Any, training: Any = None) -> Any:  # type: ignore[override]
        if not 0 < self.rate < 1:
            return inputs
        stddev = sqrt(self.rate / (1.0 - self.rate))
        return K.in_train_phase(lambda: inputs * K.random_normal(shape=K.shape(inputs), mean=1.0, stddev=stddev),
                                inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}


class AlphaDropout(Layer):
    """Dropout that keeps mean and variance of SELU's outputs: a (x kept, else -1.7581) + b in training.

    noise_shape  shape of the mask, broadcast against the input
    seed         of the mask

    The configuration holds both where they are given; that of Keras 2.2.4 never does.
    """

    supports_masking = True

    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = finite(rate, "rate", self.name)
        self.noise_shape, self.seed = noise_shape, seed

    def _get_noise_shape(self, inputs: Any) -> Any:
        return self.noise_shape

    def _dropped(self, inputs: Any) -> Any:
        sizes, given = K.shape(inputs), self._get_noise_shape(inputs)
        shape = sizes if given is None else [sizes[i] if size is None else size for i, size in enumerate(given)]
        kept = K.cast(K.greater_equal(K.random_uniform(shape, seed=self.seed), self.rate), K.floatx())
        a = ((1 - self.rate) * (1 + self.rate * _DROPPED ** 2)) ** -0.5
        b = -a * _DROPPED * self.rate
        return a * (inputs * kept + _DROPPED * (1 - kept)) + b

    def call(self, inputs: Any, training: Any = None) -> Any:  # type: ignore[override]
        if not 0.0 < self.rate < 1.0:
            return inputs
        return K.in_train_phase(lambda: self._dropped(inputs), inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        given = {"noise_shape": self.noise_shape, "seed": self.seed}
        return {**super().get_config(), "rate": self.rate,
                **{name: value for name, value in given.items() if value is not None}}
