"""Activation functions of K.

Each is written so that its derivative is right where the function bends, and finite far away from there:
a select never reads a branch that overflows.

What does not live here: the activations of layers by name (frontend_keras/activations.py).
"""

from __future__ import annotations

from graphc.frontend_keras.backend.elementwise import clip
from graphc.frontend_keras.backend.reductions import normal_axis
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, as_tensor, binary, cast, full_like


def relu(x: Tensor, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """x above `threshold`, alpha * (x - threshold) below, at most `max_value`."""
    x = as_tensor(x)
    if not isinstance(alpha, Tensor) and alpha == 0 and threshold == 0:
        positive = apply_op("relu", x)
        return positive if max_value is None else binary("minimum", positive, max_value)
    if max_value is None and not isinstance(threshold, Tensor) and threshold == 0:
        return choose(x > 0, x, x * alpha)
    above = apply_op("relu", x) if threshold == 0 else x * cast(x > threshold, x.dtype)
    if max_value is not None:
        above = clip(above, 0.0, max_value)
    if isinstance(alpha, Tensor) or alpha != 0:
        above = above - alpha * apply_op("relu", threshold - x)
    return above


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """x above 0, alpha * (exp(x) - 1) below."""
    below = apply_op("expm1", apply_op("minimum", x, full_like(0, x)))
    return choose(x > 0, x, below if not isinstance(alpha, Tensor) and alpha == 1 else below * alpha)


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """exp(x) over its sum along `axis`."""
    return apply_op("softmax", x, axis=normal_axis(axis, x))


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x))."""
    above, minus_size = folded(x)
    return above + apply_op("log1p", apply_op("exp", minus_size))


def softsign(x: Tensor) -> Tensor:
    """x / (1 + |x|)."""
    return x / (apply_op("absolute", x) + 1)


def sigmoid(x: Tensor) -> Tensor:
    return apply_op("sigmoid", x)


def hard_sigmoid(x: Tensor) -> Tensor:
    """0.2 x + 0.5, clipped to [0, 1]."""
    return clip(x * 0.2 + 0.5, 0.0, 1.0)


def tanh(x: Tensor) -> Tensor:
    return apply_op("tanh", x)


def choose(condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """x where the condition holds, else y; all three of one shape."""
    return apply_op("select", condition, x, y)


def folded(x: Tensor) -> tuple[Tensor, Tensor]:
    """max(x, 0) and -|x|, with derivatives 1 and -1 at 0, so that softplus has 1/2 there."""
    not_negative = x >= 0
    return choose(not_negative, x, full_like(0, x)), choose(not_negative, -x, x)
