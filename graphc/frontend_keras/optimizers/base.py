"""What all optimizers share: hyper-parameters, gradients and their clipping, weights, configurations.

What does not live here: update rules, how configurations of other Keras versions differ (dialects.py).
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from functools import reduce, wraps
from operator import add
from typing import Any

import numpy as np

from graphc.errors import ModelFormatError, NotDifferentiableError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend import Variable
from graphc.frontend_keras.optimizers.dialects import translated
from graphc.frontend_keras.utils.checks import KeywordError, finite

_CLIPPING = ("clipnorm", "clipvalue", "variable_clipnorm")


class Optimizer:
    """Base of the optimizers; subclasses define `get_updates(loss, params)`.

    clipnorm           gradients are scaled so that the L2 norm of all of them together is at most this
    variable_clipnorm  the same for each gradient on its own, which is what tf_keras calls clipnorm
    clipvalue          each element of a gradient is kept within [-clipvalue, clipvalue]

    0 or None: not clipped. A number assigned to a hyper-parameter (`optimizer.lr = 0.1`) changes its
    value, also in functions that are compiled already.

    `get_updates` also takes the order of Keras 1: (params, constraints, loss); the constraints are the variables' own.

    Raises KeywordError (a TypeError) for other keywords, ArgumentError for negative or non-finite values.
    """

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "get_updates" in vars(cls):
            cls.get_updates = either_order(cls.get_updates)  # type: ignore[method-assign]

    def __init__(self, **kwargs: Any):
        for name, value in kwargs.items():
            if name not in _CLIPPING:
                raise KeywordError(f"Unexpected keyword argument passed to optimizer: {name}",
                                   where=type(self).__name__, expected=", ".join(_CLIPPING))
            if value is not None:
                setattr(self, name, finite(value, name, type(self).__name__, at_least=0))
        self.updates: list[Any] = []
        self.weights: list[Variable] = []

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "learning_rate" and "lr" in self.__dict__:
            name = "lr"
        current = self.__dict__.get(name)
        if isinstance(current, Variable) and isinstance(value, (numbers.Real, np.ndarray)):
            K.set_value(current, finite(value, name, type(self).__name__, at_least=0))
        else:
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name == "learning_rate" and "lr" in self.__dict__:
            return self.lr
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take: everything but the updates, which belong to one model's graph."""
        return {**vars(self), "updates": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def get_updates(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The updates of one step that makes the scalar `loss` smaller by changing the variables `params`."""
        raise NotImplementedError

    def get_gradients(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The clipped gradients of `loss`, one for each of `params`.

        Raises NotDifferentiableError (a ValueError) when the loss has no gradient for one of them.
        """
        grads = K.gradients(loss, params)
        missing = [param.name for param, grad in zip(params, grads, strict=True) if grad is None]
        if missing:
            raise NotDifferentiableError(
                "An operation has `None` for gradient", where=", ".join(missing),
                expected="a loss that depends on every trainable weight through differentiable ops",
                fix="Ops such as K.argmax, K.round and K.stop_gradient have none; or set trainable = False.")
        return self._clipped(grads)

    def _clipped(self, grads: list[Any]) -> list[Any]:
        together, each = getattr(self, "clipnorm", 0), getattr(self, "variable_clipnorm", 0)
        bound = getattr(self, "clipvalue", 0)
        if together > 0:
            scale = _norm_scale(grads, together)
            grads = [grad * scale for grad in grads]
        if each > 0:
            grads = [grad * _norm_scale([grad], each) for grad in grads]
        if bound > 0:
            grads = [K.clip(grad, -bound, bound) for grad in grads]
        return grads

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the state, in the order of `get_weights`; nothing changes when one shape is wrong.

        Call it after `get_updates` has made the weights. Raises ShapeError (a ValueError).
        """
        pairs = self._pairs([np.asarray(weight) for weight in weights])
        for variable, value in pairs:
            if tuple(K.int_shape(variable)) != value.shape:
                raise ShapeError("Optimizer weight shape does not fit", where=f"{type(self).__name__}, {variable.name}",
                                 expected=tuple(K.int_shape(variable)), got=value.shape)
        K.batch_set_value(pairs)

    def _pairs(self, weights: list[np.ndarray]) -> list[tuple[Variable, np.ndarray]]:
        """Which weight each array fills; optimizers that know other orders extend this."""
        if len(weights) != len(self.weights):
            raise ShapeError("the list of weights has another length than the optimizer's",
                             where=type(self).__name__, expected=len(self.weights), got=len(weights))
        return list(zip(self.weights, weights))

    def get_weights(self) -> list[np.ndarray]:
        """The values of the state, in the order of Keras's files."""
        return K.batch_get_value(self.weights)

    def get_config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _CLIPPING if hasattr(self, name)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Optimizer:
        """An optimizer from the configuration that this or a later Keras wrote.

        Raises ModelFormatError for an option that cannot be honoured, ArgumentError for a bad value.
        """
        if not isinstance(config, Mapping):
            raise ModelFormatError("config is not a dict", where=cls.__name__, expected="a dict", got=repr(config))
        return cls(**translated(cls, config))


def either_order(get_updates: Callable[..., Any]) -> Callable[..., Any]:
    """Let `get_updates(loss, params)` also take the order of Keras 1: (params, constraints, loss)."""

    @wraps(get_updates)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) < 2 or not isinstance(args[0], (list, tuple)):
            return get_updates(self, *args, **kwargs)
        params, _, *loss = args
        return get_updates(self, params=params, **({"loss": loss[0]} if loss else {}), **kwargs)

    return wrapper


def _norm_scale(grads: Sequence[Any], limit: float) -> Any:
    """limit / norm when the L2 norm of all gradients together reaches the limit, else 1 (also for NaN)."""
    norm = K.sqrt(reduce(add, [K.sum(K.square(grad)) for grad in grads]))
    return K.switch(K.greater_equal(norm, limit), limit / norm, K.ones_like(norm))


def clip_norm(g: Any, c: float, n: Any) -> Any:
    """g * c / n where the norm n reaches c > 0, else g."""
    return g if c <= 0 else K.switch(K.greater_equal(n, c), g * c / n, g)


class BuiltIn(Optimizer):
    """What the optimizers of this package share beyond the public base."""

    default_rate = 0.01

    def _start(self, lr: float | None, kwargs: dict[str, Any], **hypers: float) -> None:
        """Check all arguments, then make `iterations`, `lr` and the other hyper-parameters as variables.

        lr  None or the very object `default_rate`: none was given
        """
        if "learning_rate" in kwargs:
            if lr is not None and lr is not self.default_rate:
                raise KeywordError("`lr` and `learning_rate` are two names of one thing", where=type(self).__name__,
                                   got=f"lr={lr!r}, learning_rate={kwargs['learning_rate']!r}")
            lr = kwargs.pop("learning_rate")
        rate = self.default_rate if lr is None else lr
        values = {name: self._checked(name, value) for name, value in {"lr": rate, **hypers}.items()}
        super().__init__(**kwargs)
        with K.name_scope(type(self).__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            for name, value in values.items():
                super().__setattr__(name, K.variable(value, name=name))
        self.initial_decay = values.get("decay", 0.0)

    def _checked(self, name: str, value: Any) -> float:
        below = 1 if name.startswith("beta") else None
        return finite(value, name, type(self).__name__, at_least=0, below=below)

    def _fuzz(self, epsilon: float | None) -> float:
        return K.epsilon() if epsilon is None else self._checked("epsilon", epsilon)

    def _begin(self, loss: Any, params: Sequence[Any]) -> list[Any]:
        """The gradients; starts the list of updates with the count of iterations."""
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        return grads

    def _rate(self) -> Any:
        """lr / (1 + decay * iterations), with the count before this step; lr itself without decay."""
        if not self.initial_decay > 0:
            return self.lr
        return self.lr * (1.0 / (1.0 + self.decay * K.cast(self.iterations, K.dtype(self.decay))))

    def _step(self) -> Any:
        """The number of this step, from 1, as a float."""
        return K.cast(self.iterations, K.floatx()) + 1

    def _move(self, param: Any, new_value: Any) -> None:
        """Append the update of `param`, constrained when it has a constraint."""
        constraint = getattr(param, "constraint", None)
        self.updates.append(K.update(param, new_value if constraint is None else constraint(new_value)))

    def _values(self, *names: str) -> dict[str, float]:
        return {name: float(K.get_value(getattr(self, name))) for name in names}


def slots(params: Sequence[Any], value: float = 0.0) -> list[Any]:
    """One variable for each parameter, of its shape and type, filled with `value`."""
    if not value:
        return [K.zeros(K.int_shape(param), dtype=K.dtype(param)) for param in params]
    return [K.variable(K.constant(value, shape=K.int_shape(param), dtype=K.dtype(param)), dtype=K.dtype(param))
            for param in params]


def settled(x: Any) -> Any:
    """x, with zeros in place of denormal numbers.

    A slot whose gradient stays 0 decays towards 0 for ever. Once it falls below the smallest normal number, the
    processor computes with it a hundred times slower, for values that no sum ever notices.
    """
    smallest = np.finfo(K.dtype(x)).tiny
    return K.switch(K.less(K.abs(x), float(smallest)), K.zeros_like(x), x)
