"""Batch normalisation functions of K.

What does not live here: the layer and its moving averages (layers/normalization.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.frontend_keras.backend.reductions import mean, normal_axes, var, with_axes
from graphc.frontend_keras.backend.sizes import size_tensor
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, broadcast_to, reshape_to
from graphc.ir.dims import size_of


def normalize_batch_in_training(x: Tensor, gamma: Tensor | None, beta: Tensor | None, reduction_axes: Sequence[int],
                                epsilon: float = 1e-3) -> tuple[Tensor, Tensor, Tensor]:
    """`x` normalised by its own mean and variance over `reduction_axes`, with that mean and variance.

    The variance is the mean squared distance from the mean, whatever the rank of `x`.
    """
    axes = normal_axes(reduction_axes, x)
    center, spread = mean(x, axes), var(x, axes)
    scale = apply_op("rsqrt", spread + epsilon)
    scale = scale if gamma is None else scale * reshape_to(gamma, scale.dims)
    normed = (x - with_axes(center, x, axes)) * with_axes(scale, x, axes)
    return normed if beta is None else normed + with_axes(reshape_to(beta, scale.dims), x, axes), center, spread


def sample_variance(variance: Tensor, x: Tensor, reduction_axes: Sequence[int], epsilon: float = 1e-3) -> Tensor:
    """What the variance of `x` over `reduction_axes` adds to a moving average: times n / (n - (1 + epsilon)).

    n is the number of elements reduced. It is spread over the features here, so that all of this joins the kernel of
    the variance.
    """
    reduced = size_of(x.dims[axis] for axis in normal_axes(reduction_axes, x))
    count = broadcast_to(size_tensor(reduced, variance.type.dtype), variance.dims)
    return variance * (count / (count - (1 + epsilon)))


def batch_normalization(x: Tensor, mean: Tensor, var: Tensor, beta: Tensor | None, gamma: Tensor | None,
                        axis: int = -1, epsilon: float = 1e-3) -> Tensor:
    """(x - mean) * gamma / sqrt(var + epsilon) + beta; vectors lie along `axis`, others broadcast as they are."""
    scale = apply_op("rsqrt", _on_axis(var, x, axis) + epsilon)
    scale = scale if gamma is None else scale * _on_axis(gamma, x, axis)
    shift = -_on_axis(mean, x, axis) * scale
    return x * scale + (shift if beta is None else shift + _on_axis(beta, x, axis))


def _on_axis(t: Tensor, x: Tensor, axis: int) -> Tensor:
    if t.rank != 1 or x.rank == 1 or axis % x.rank == x.rank - 1:
        return t
    return reshape_to(t, (*t.dims, *(1,) * (x.rank - 1 - axis % x.rank)))
