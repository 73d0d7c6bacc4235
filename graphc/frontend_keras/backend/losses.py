"""Cross-entropies of K, l2_normalize and in_top_k, with the arithmetic of Keras 2.2.4 on TensorFlow.

Probabilities are clipped to [epsilon, 1 - epsilon]; nothing flows back where the clip bites.

What does not live here: the losses of models (frontend_keras/losses.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.frontend_keras.backend.activations import choose, folded
from graphc.frontend_keras.backend.config import epsilon
from graphc.frontend_keras.backend.elementwise import clip
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.reductions import Axis, max, sum
from graphc.frontend_keras.backend.shaping import as_indices, permute_dimensions
from graphc.frontend_keras.backend.symbols import static_shape
from graphc.frontend_keras.backend.tensor import (
    Tensor,
    apply_op,
    as_tensor,
    assume,
    binary,
    broadcast_together,
    cast,
    full,
    full_like,
    meet,
    reshape_to,
)
from graphc.ir.dims import Shape, size_of
from graphc.ir.types import BOOL, I32, I64


def categorical_crossentropy(target: Any, output: Tensor, from_logits: bool = False, axis: int = -1) -> Tensor:
    """-sum(target * log(p)) along `axis`, p being `output` over its own sum, clipped; one axis less than `output`.

    from_logits  `output` is unnormalised: log(p) is its log-softmax
    """
    axis = _channel_axis(axis, output)
    if from_logits:
        log_p = apply_op("log_softmax", output, axis=axis)
    else:
        log_p = apply_op("log", _clipped(output / sum(output, axis, keepdims=True)))
    target, log_p = broadcast_together(as_tensor(target, output.dtype), log_p)
    return -sum(target * log_p, axis)


def sparse_categorical_crossentropy(target: Any, output: Tensor, from_logits: bool = False,
                                    axis: int = -1) -> Tensor:
    """The cross-entropy for class numbers: the log-softmax of log(clipped output), at the target, negated.

    `target` has one number for each row of classes; the result has the shape of `output` without `axis`, or one
    axis where `output` has two.
    """
    axis = _channel_axis(axis, output)
    if axis != output.rank - 1:
        output = permute_dimensions(output, [*range(axis), *range(axis + 1, output.rank), axis])
    logits = output if from_logits else apply_op("log", _clipped(output))
    chosen = _at_class(logits, _classes(target, logits.dims[:-1]))
    return apply_op("logsumexp", logits, axes=(logits.rank - 1,)) - chosen


def _classes(target: Tensor, rows: Shape) -> Tensor:
    """Class numbers with one axis for each of `rows`; a target with one axis more has size 1 there."""
    classes = cast(as_indices(as_tensor(target, "int64"), "int64"), "int64")
    if classes.type.size == size_of(rows):
        return reshape_to(classes, rows)
    wanted = (*rows, 1) if classes.rank == len(rows) + 1 else rows
    if classes.rank != len(wanted):
        raise ShapeError(f"class numbers of shape {tuple(classes.shape)} do not fit", where=current_origin(),
                         expected=(*static_shape(rows), 1))
    met = tuple(meet(a, b, f"class numbers for rows {static_shape(rows)} have the shape", classes)
                for a, b in zip(classes.dims, wanted, strict=True))
    return reshape_to(assume(classes, met), met[:len(rows)])


def _at_class(x: Tensor, classes: Tensor) -> Tensor:
    """The element of each row of `x` that `classes` names; a class that is no position there is an IndexRangeError.

    The comparison alone would take such a class for one that no element has, and give 0.
    """
    positions = apply_op("iota", axis=0, shape=x.dims[-1:], dtype=classes.type.dtype)
    named, x = broadcast_together(_is_class(x, apply_op("gather", positions, classes, axis=0)), x)
    return sum(choose(named, x, full_like(0, x)), -1)


def _is_class(x: Tensor, classes: Tensor) -> Tensor:
    """True where the position on the last axis of `x` is the one that `classes` names."""
    if classes.type.dtype not in (I32, I64):  # whose numbers may be fewer than the positions
        classes = cast(classes, I64)
    counted = apply_op("iota", axis=0, shape=x.dims[-1:], dtype=classes.type.dtype)
    return binary("equal", counted, reshape_to(classes, (*classes.dims, 1)))


def binary_crossentropy(target: Any, output: Tensor, from_logits: bool = False) -> Tensor:
    """The cross-entropy of independent probabilities, elementwise, computed from logits.

    max(x, 0) - x * target + log(1 + exp(-|x|)) with x = log(p / (1 - p)), p the clipped output.
    """
    if not from_logits:
        p = _clipped(output)
        output = apply_op("log", p / (1.0 - p))
    target, x = broadcast_together(as_tensor(target, output.dtype), output)
    above, minus_size = folded(x)
    return above - x * target + apply_op("log1p", apply_op("exp", minus_size))


def _clipped(p: Tensor) -> Tensor:
    """`p` within epsilon of 0 and 1, the upper bound computed in p's own element type."""
    low = p.type.dtype.numpy.type(epsilon())
    return clip(p, low, p.type.dtype.numpy.type(1) - low)


def _channel_axis(axis: int, output: Tensor) -> int:
    if axis != -1 and not 0 <= axis < output.rank:
        raise ShapeError(f"Unexpected channels axis {axis}", where=current_origin(),
                         expected=f"-1 or one of the {output.rank} axes of `output`")
    return axis % output.rank


def l2_normalize(x: Tensor, axis: Axis = None) -> Tensor:
    """x over its length along `axis`: x * rsqrt(max(sum(x^2), 1e-12))."""
    squares = sum(apply_op("square", x), axis, keepdims=True)
    shorter = apply_op("rsqrt", apply_op("maximum", squares, full_like(1e-12, squares)))
    return x * shorter


def in_top_k(predictions: Tensor, targets: Tensor, k: int) -> Tensor:
    """For each row, whether fewer than `k` predictions exceed that of the target; False where it is not finite."""
    picked, predictions = broadcast_together(_is_class(predictions, targets), predictions)
    own = max(choose(picked, predictions, full_like(-np.inf, predictions)), -1, keepdims=True)
    exceeding = sum(cast(predictions > own, "int32"), -1)
    own = reshape_to(own, own.dims[:-1])
    finite = apply_op("isfinite", own)
    return apply_op("select", finite, exceeding < k, full(False, own.dims, BOOL))
