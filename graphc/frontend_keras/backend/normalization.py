"""Batch normalisation functions of K.

What does not live here: the layer and its moving averages (layers/normalization.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.frontend_keras.backend.reductions import mean, normal_axes, with_axes
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, reshape_to


def normalize_batch_in_training(x: Tensor, gamma: Tensor | None, beta: Tensor | None, reduction_axes: Sequence[int],
                                epsilon: float = 1e-3) -> tuple[Tensor, Tensor, Tensor]:
    """`x` normalised by its own mean and variance over `reduction_axes`, with that mean and variance.

    The variance is the mean squared distance from the mean, whatever the rank of `x`.
    """
    axes = normal_axes(reduction_axes, x)
    center = mean(x, axes)
    spread = mean(apply_op("square", x - with_axes(center, x, axes)), axes)
    fitted = [None if t is None else _along(t, x, axes) for t in (center, spread, beta, gamma)]
    return batch_normalization(x, *fitted, epsilon=epsilon), center, spread  # type: ignore[arg-type]


def _along(t: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """`t`, one number per kept element of `x`, with axes of size 1 where `x` was reduced."""
    return reshape_to(t, tuple(1 if i in axes else d for i, d in enumerate(x.dims)))


def batch_normalization(x: Tensor, mean: Tensor, var: Tensor, beta: Tensor | None, gamma: Tensor | None,
                        axis: int = -1, epsilon: float = 1e-3) -> Tensor:
    """(x - mean) * gamma / sqrt(var + epsilon) + beta; vectors lie along `axis`, others broadcast as they are."""
    mean, var, beta, gamma = (_on_axis(t, x, axis) for t in (mean, var, beta, gamma))  # type: ignore[assignment]
    scale = apply_op("rsqrt", var + epsilon)
    scale = scale if gamma is None else scale * gamma
    shift = -mean * scale if beta is None else beta - mean * scale
    return x * scale + shift


def _on_axis(t: Tensor | None, x: Tensor, axis: int) -> Tensor | None:
    if t is None or t.rank != 1 or x.rank == 1 or axis % x.rank == x.rank - 1:
        return t
    return reshape_to(t, (*t.dims, *(1,) * (x.rank - 1 - axis % x.rank)))
