"""Optimizers that average the gradient and its size: Adam, Adamax, Nadam.

What does not live here: optimizers with a record of sizes alone (accumulating.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend import Variable
from graphc.frontend_keras.optimizers.base import BuiltIn, settled, slots

_SCHEDULE_BASE = 0.96
_SCHEDULE_STEPS = 1_000_000


class Adam(BuiltIn):
    """Kingma and Ba, 2014, arXiv:1412.6980, in the form at the end of its section 2. With t the step, from 1:

    m = beta_1 m + (1 - beta_1) g;  v = beta_2 v + (1 - beta_2) g^2;
    p - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon).

    lr              learning rate >= 0, default 0.001; also called learning_rate
    beta_1, beta_2  in [0, 1)
    epsilon         >= 0, default K.epsilon()
    decay           the rate is lr / (1 + decay * iterations)
    amsgrad         divide by the largest v so far (Reddi et al., 2018)

    Weights: [iterations] + m + v + largest v; the last are of shape (1,) without amsgrad.
    """

    default_rate = 0.001

    def __init__(self, lr: float | None = default_rate, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float | None = None, decay: float = 0.0, amsgrad: bool = False, **kwargs: Any):
        self._start(lr, kwargs, beta_1=beta_1, beta_2=beta_2, decay=decay)
        self.epsilon, self.amsgrad = self._fuzz(epsilon), bool(amsgrad)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        grads, t = self._begin(loss, params), self._step()
        rate = self._rate() * (K.sqrt(1.0 - K.pow(self.beta_2, t)) / (1.0 - K.pow(self.beta_1, t)))
        ms, vs = slots(params), slots(params)
        largest: list[Any] = slots(params) if self.amsgrad else [K.zeros((1,)) for _ in params]
        self.weights = [self.iterations, *ms, *vs, *largest]
        for p, g, m, v, top in zip(params, grads, ms, vs, largest):
            mean = settled(self.beta_1 * m + (1.0 - self.beta_1) * g)
            squares = settled(self.beta_2 * v + (1.0 - self.beta_2) * K.square(g))
            self.updates += [K.update(m, mean), K.update(v, squares)]
            if self.amsgrad:
                squares = K.maximum(top, squares)
                self.updates.append(K.update(top, squares))
            self._move(p, p - rate * mean / (K.sqrt(squares) + self.epsilon))
        return self.updates

    def _pairs(self, weights: list[np.ndarray]) -> list[tuple[Variable, np.ndarray]]:
        """tf_keras saves no largest v without amsgrad."""
        count = (len(self.weights) - 1) // 3
        if not self.amsgrad and len(weights) == 1 + 2 * count:
            weights = weights + [np.zeros(1)] * count
        return super()._pairs(weights)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._values("lr", "beta_1", "beta_2", "decay"), "epsilon": self.epsilon,
                "amsgrad": self.amsgrad}


class Adamax(BuiltIn):
    """Adam with the largest gradient instead of the squares (section 7.1 of its paper). With t the step, from 1:

    m = beta_1 m + (1 - beta_1) g;  u = max(beta_2 u, |g|);  p - lr / (1 - beta_1^t) m / (u + epsilon).

    lr, beta_1, beta_2, epsilon, decay   as for Adam; lr is 0.002 by default

    Weights: [iterations] + m + u.
    """

    default_rate = 0.002

    def __init__(self, lr: float | None = default_rate, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float | None = None, decay: float = 0.0, **kwargs: Any):
        self._start(lr, kwargs, beta_1=beta_1, beta_2=beta_2, decay=decay)
        self.epsilon = self._fuzz(epsilon)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        grads, t = self._begin(loss, params), self._step()
        rate = self._rate() / (1.0 - K.pow(self.beta_1, t))
        ms, us = slots(params), slots(params)
        self.weights = [self.iterations, *ms, *us]
        for p, g, m, u in zip(params, grads, ms, us):
            mean = settled(self.beta_1 * m + (1.0 - self.beta_1) * g)
            size = settled(K.maximum(self.beta_2 * u, K.abs(g)))
            self.updates += [K.update(m, mean), K.update(u, size)]
            self._move(p, p - rate * mean / (size + self.epsilon))
        return self.updates

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._values("lr", "beta_1", "beta_2", "decay"), "epsilon": self.epsilon}


class Nadam(BuiltIn):
    """Adam with Nesterov momentum and a schedule of beta_1. Dozat, 2015. With t the step, from 1:

    c(t) = beta_1 (1 - 0.96^(t schedule_decay) / 2), s = c(1) ... c(t), m and v as in Adam;
    n = (1 - c(t)) g / (1 - s) + c(t + 1) m / (1 - s c(t + 1));
    p - lr n / (sqrt(v / (1 - beta_2^t)) + epsilon).

    lr              learning rate >= 0, default 0.002; also called learning_rate
    beta_1, beta_2  in [0, 1)
    epsilon         >= 0, default K.epsilon()
    schedule_decay  >= 0

    Weights: [iterations] + m + v. The product s is not among them, as in Keras 2.2.4; `set_weights`
    computes it from the iterations, so that training resumes where it stopped.
    """

    default_rate = 0.002

    def __init__(self, lr: float | None = default_rate, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float | None = None, schedule_decay: float = 0.004, **kwargs: Any):
        schedule = self._checked("schedule_decay", schedule_decay)
        self._start(lr, kwargs, beta_1=beta_1, beta_2=beta_2)
        self.epsilon, self.schedule_decay = self._fuzz(epsilon), schedule
        with K.name_scope(type(self).__name__):
            self.m_schedule = K.variable(1.0, name="m_schedule")

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        grads, t = self._begin(loss, params), self._step()
        now, after = self._momentum(t), self._momentum(t + 1)
        product = self.m_schedule * now
        self.updates.append(K.update(self.m_schedule, product))
        ms, vs = slots(params), slots(params)
        self.weights = [self.iterations, *ms, *vs]
        for p, g, m, v in zip(params, grads, ms, vs):
            mean = settled(self.beta_1 * m + (1.0 - self.beta_1) * g)
            squares = settled(self.beta_2 * v + (1.0 - self.beta_2) * K.square(g))
            self.updates += [K.update(m, mean), K.update(v, squares)]
            ahead = (1.0 - now) * (g / (1.0 - product)) + after * (mean / (1.0 - product * after))
            size = K.sqrt(squares / (1.0 - K.pow(self.beta_2, t)))
            self._move(p, p - self.lr * ahead / (size + self.epsilon))
        return self.updates

    def _momentum(self, t: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * K.pow(K.constant(_SCHEDULE_BASE), t * self.schedule_decay))

    def _pairs(self, weights: list[np.ndarray]) -> list[tuple[Variable, np.ndarray]]:
        """tf_keras saves the product s as its second weight."""
        if len(weights) == len(self.weights) + 1 and weights[1].shape == ():
            return [(self.m_schedule, weights[1]), *super()._pairs([weights[0], *weights[2:]])]
        pairs = super()._pairs(weights)
        if weights[0].shape == ():
            pairs.append((self.m_schedule, self._product(int(weights[0]))))
        return pairs

    def _product(self, iterations: int) -> np.ndarray:
        """c(1) ... c(iterations); far out, where c no longer changes, as a power."""
        steps = np.arange(1, min(iterations, _SCHEDULE_STEPS) + 1)
        beta = float(K.get_value(self.beta_1))
        factors = beta * (1.0 - 0.5 * _SCHEDULE_BASE ** (steps * self.schedule_decay))
        rest = factors[-1] ** (iterations - len(steps)) if len(steps) else 1.0
        return np.asarray(np.prod(factors) * rest)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._values("lr", "beta_1", "beta_2"), "epsilon": self.epsilon,
                "schedule_decay": self.schedule_decay}
