"""Gradient descent with momentum: SGD.

What does not live here: optimizers with a rate of their own for each weight (accumulating.py, moments.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend import Variable
from graphc.frontend_keras.optimizers.base import BuiltIn, settled, slots


class SGD(BuiltIn):
    """v = momentum v - lr g, then p + v; with nesterov p + momentum v - lr g.

    lr        learning rate >= 0, default 0.01; also called learning_rate
    momentum  >= 0
    decay     the rate is lr / (1 + decay * iterations)
    nesterov  whether to look ahead, as Sutskever et al. (2013) write Nesterov's method

    Weights: [iterations] + velocities, also without momentum.
    """

    default_rate = 0.01

    def __init__(self, lr: float | None = default_rate, momentum: float = 0.0, decay: float = 0.0,
                 nesterov: bool = False, **kwargs: Any):
        self._start(lr, kwargs, momentum=momentum, decay=decay)
        self.nesterov = bool(nesterov)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        grads, rate = self._begin(loss, params), self._rate()
        moments = slots(params)
        self.weights = [self.iterations, *moments]
        for p, g, m in zip(params, grads, moments):
            velocity = settled(self.momentum * m - rate * g)
            self.updates.append(K.update(m, velocity))
            self._move(p, p + self.momentum * velocity - rate * g if self.nesterov else p + velocity)
        return self.updates

    def _pairs(self, weights: list[np.ndarray]) -> list[tuple[Variable, np.ndarray]]:
        """tf_keras saves no velocities when there is no momentum."""
        if len(weights) == 1 and not float(K.get_value(self.momentum)):
            weights = weights + [np.zeros_like(K.get_value(moment)) for moment in self.weights[1:]]
        return super()._pairs(weights)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._values("lr", "momentum", "decay"), "nesterov": self.nesterov}
