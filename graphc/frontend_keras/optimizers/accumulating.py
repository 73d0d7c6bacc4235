"""Optimizers that divide by a record of squared gradients: RMSprop, Adagrad, Adadelta.

Epsilon is added outside the square root, except in Adadelta, which has it inside both.

What does not live here: optimizers that also average the gradient (moments.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend import Variable
from graphc.frontend_keras.optimizers.base import BuiltIn, settled, slots


class _WithoutCount(BuiltIn):
    """The weights of Keras 2.2.4 leave the count of iterations out; later versions put it first."""

    def _pairs(self, weights: list[np.ndarray]) -> list[tuple[Variable, np.ndarray]]:
        if len(weights) == len(self.weights) + 1 and weights[0].shape == ():
            return [(self.iterations, weights[0]), *super()._pairs(weights[1:])]
        return super()._pairs(weights)


class RMSprop(_WithoutCount):
    """a = rho a + (1 - rho) g^2, then p - lr g / (sqrt(a) + epsilon). Tieleman and Hinton, 2012.

    lr       learning rate >= 0, default 0.001; also called learning_rate
    rho      >= 0
    epsilon  >= 0, default K.epsilon()
    decay    the rate is lr / (1 + decay * iterations)

    Weights: the a; the count of iterations is not among them, as in Keras 2.2.4.
    """

    default_rate = 0.001

    def __init__(self, lr: float | None = default_rate, rho: float = 0.9, epsilon: float | None = None,
                 decay: float = 0.0, **kwargs: Any):
        self._start(lr, kwargs, rho=rho, decay=decay)
        self.epsilon = self._fuzz(epsilon)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        grads, rate = self._begin(loss, params), self._rate()
        self.weights = slots(params)
        for p, g, a in zip(params, grads, self.weights):
            squares = settled(self.rho * a + (1.0 - self.rho) * K.square(g))
            self.updates.append(K.update(a, squares))
            self._move(p, p - rate * g / (K.sqrt(squares) + self.epsilon))
        return self.updates

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._values("lr", "rho", "decay"), "epsilon": self.epsilon}


class Adagrad(_WithoutCount):
    """a = a + g^2, then p - lr g / (sqrt(a) + epsilon). Duchi, Hazan and Singer, 2011.

    lr, epsilon, decay         as for RMSprop; lr is 0.01 by default
    initial_accumulator_value  first value of the a; 0 in Keras 2.2.4, 0.1 by default in tf_keras

    Weights: the a.
    """

    default_rate = 0.01

    def __init__(self, lr: float | None = default_rate, epsilon: float | None = None, decay: float = 0.0,
                 initial_accumulator_value: float = 0.0, **kwargs: Any):
        first = self._checked("initial_accumulator_value", initial_accumulator_value)
        self._start(lr, kwargs, decay=decay)
        self.epsilon, self.initial_accumulator_value = self._fuzz(epsilon), first

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        grads, rate = self._begin(loss, params), self._rate()
        self.weights = slots(params, self.initial_accumulator_value)
        for p, g, a in zip(params, grads, self.weights):
            squares = a + K.square(g)
            self.updates.append(K.update(a, squares))
            self._move(p, p - rate * g / (K.sqrt(squares) + self.epsilon))
        return self.updates

    def get_config(self) -> dict[str, Any]:
        first = {"initial_accumulator_value": self.initial_accumulator_value} if self.initial_accumulator_value else {}
        return {**super().get_config(), **self._values("lr", "decay"), "epsilon": self.epsilon, **first}


class Adadelta(_WithoutCount):
    """Steps in units of earlier steps. Zeiler, 2012, arXiv:1212.5701.

    a = rho a + (1 - rho) g^2;  u = g sqrt(d + epsilon) / sqrt(a + epsilon);  p - lr u;
    d = rho d + (1 - rho) u^2.

    lr, rho, epsilon, decay   as for RMSprop; lr is 1 and rho 0.95 by default; rho is a number, no variable

    Weights: the a, then the d.
    """

    default_rate = 1.0

    def __init__(self, lr: float | None = default_rate, rho: float = 0.95, epsilon: float | None = None,
                 decay: float = 0.0, **kwargs: Any):
        share = self._checked("rho", rho)
        self._start(lr, kwargs, decay=decay)
        self.rho, self.epsilon = share, self._fuzz(epsilon)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        grads, rate = self._begin(loss, params), self._rate()
        accumulators, deltas = slots(params), slots(params)
        self.weights = accumulators + deltas
        for p, g, a, d in zip(params, grads, accumulators, deltas):
            squares = settled(self.rho * a + (1.0 - self.rho) * K.square(g))
            self.updates.append(K.update(a, squares))
            step = g * K.sqrt(d + self.epsilon) / K.sqrt(squares + self.epsilon)
            self._move(p, p - rate * step)
            self.updates.append(K.update(d, settled(self.rho * d + (1.0 - self.rho) * K.square(step))))
        return self.updates

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._values("lr", "decay"), "rho": self.rho,
                "epsilon": self.epsilon}
