"""Connectionist temporal classification: K.ctc_batch_cost.

A network gives, for each step of time, the probabilities of labels and of a blank, which is the last class. A path of
one class per step stands for the labels that are left when neighbours that are equal become one and blanks are dropped.
The cost of labels is minus the logarithm of the probabilities of all of their paths together. A. Graves, S. Fernandez,
F. Gomez, J. Schmidhuber, "Connectionist Temporal Classification", ICML 2006: the forward recursion of section 4.1, here
over logarithms; its gradient is what K.gradients makes of the loop.

What does not live here: finding labels (ctc_decoding.py).
"""

from __future__ import annotations

from typing import Any

from graphc.errors import ShapeError
from graphc.frontend_keras.backend.activations import choose
from graphc.frontend_keras.backend.config import epsilon
from graphc.frontend_keras.backend.elementwise import log
from graphc.frontend_keras.backend.loops import Loop
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.phase import switch
from graphc.frontend_keras.backend.shaping import concatenate, expand_dims, permute_dimensions, reshape, stack
from graphc.frontend_keras.backend.tensor import (
    Tensor,
    apply_op,
    as_tensor,
    assume,
    binary,
    broadcast_to,
    cast,
    full,
    full_like,
    meet,
    reshape_to,
)
from graphc.ir.dims import Dim
from graphc.ir.types import I64

NEVER = -1e30  # the logarithm of a probability of nothing: infinite ones have no differences


def ctc_batch_cost(y_true: Tensor, y_pred: Tensor, input_length: Tensor, label_length: Tensor) -> Tensor:
    """(samples, 1): minus the logarithm of the probability of each sample's labels.

    y_true        (samples, longest label): class numbers; what stands behind a sample's length counts for nothing
    y_pred        (samples, steps, classes): probabilities, as softmax gives them; the last class is the blank
    input_length  (samples, 1) or (samples,): how many of the steps count
    label_length  (samples, 1) or (samples,): how many of the labels count

    Probabilities get K.epsilon() added and are made to sum to 1 again, as in Keras. Labels that need more steps than
    there are cost infinity and have no gradient. A label that is no class raises IndexRangeError when the function
    runs.
    """
    log_p, labels = log_probabilities(y_pred), cast(as_tensor(y_true, "int32"), I64)
    if labels.rank != 2:
        raise ShapeError("labels are (samples, longest label)", where=current_origin(), got=tuple(labels.shape))
    log_p, labels, lengths, counts = of_one_batch(log_p, labels, lengths_of(input_length), lengths_of(label_length))
    samples, steps, _ = log_p.dims
    path, jumps = _with_blanks(labels, counts, number_of_classes(log_p) - 1)
    emitted = permute_dimensions(_at_labels(log_p, path), (2, 0, 1))
    places = counting(path.dims[1])
    start = broadcast_to(choose(binary("equal", places, 0), full(0, path.dims[1:], log_p.dtype),
                                full(NEVER, path.dims[1:], log_p.dtype)), path.dims)
    loop = Loop(steps)
    alpha = loop.carry(start)
    before = log_sum(alpha, _behind(alpha, 1), switch(jumps, _behind(alpha, 2), full_like(NEVER, alpha)))
    loop.follow(alpha, switch(binary("less", loop.number(), lengths), before + loop.slice(emitted), alpha))
    (last,) = loop.run()[0]
    end = 2 * reshape_to(counts, (samples, 1))
    ends = apply_op("logical_or", *(broadcast_to(t, last.dims) for t in (
        binary("equal", places, end), binary("equal", places, end - 1))))
    total = apply_op("logsumexp", switch(ends, last, full_like(NEVER, last)), axes=(1,))
    cost = switch(binary("less", total, NEVER / 2), full_like(float("inf"), total), -total)
    return expand_dims(cost, 1)


def log_probabilities(y_pred: Tensor) -> Tensor:
    """The logarithms of y_pred (samples, steps, classes) plus epsilon, made to sum to 1 over the classes."""
    number_of_classes(y_pred)
    return apply_op("log_softmax", log(y_pred + epsilon()), axis=2)


def number_of_classes(y_pred: Tensor) -> int:
    """Blank included. Raises ShapeError for other than 3 axes and an unknown number."""
    if y_pred.rank == 3 and isinstance(y_pred.dims[2], int):
        return y_pred.dims[2]
    raise ShapeError("predictions are (samples, steps, classes), with a known number of classes",
                     where=current_origin(), got=tuple(y_pred.shape))


def lengths_of(lengths: Any) -> Tensor:
    """(samples,), int64, of a tensor that may have an axis of size 1 more."""
    found = cast(as_tensor(lengths, "int32"), I64)
    if found.rank == 2:
        found = reshape(found, (-1,))
    if found.rank != 1:
        raise ShapeError("lengths are (samples, 1) or (samples,)", where=current_origin(), got=tuple(found.shape))
    return found


def of_one_batch(*tensors: Tensor) -> list[Tensor]:
    """The tensors, whose first axes are the samples. Raises ShapeError where their numbers differ."""
    samples = tensors[0].dims[0]
    for t in tensors[1:]:
        samples = meet(samples, t.dims[0], "the numbers of samples differ:", *tensors)
    return [assume(t, (samples, *t.dims[1:])) for t in tensors]


def counting(size: Dim) -> Tensor:
    """0, 1, ... below `size`, int64."""
    return apply_op("iota", axis=0, shape=(size,), dtype=I64)


def _with_blanks(labels: Tensor, counts: Tensor, blank: int) -> tuple[Tensor, Tensor]:
    """(samples, 2 labels + 1): blanks around and between the labels, and where a path may leave the blank before out.

    That is at a label which differs from the label before it. Behind a sample's last label are blanks.
    """
    samples, longest = labels.dims
    counted = binary("less", counting(longest), reshape_to(counts, (samples, 1)))
    labels = switch(counted, labels, full_like(blank, labels))
    front = full(blank, (samples, 1), I64)
    path = concatenate([front, reshape_to(stack([labels, full_like(blank, labels)], 2), (samples, longest * 2))], 1)
    return path, apply_op("logical_and", binary("not_equal", path, blank),
                          binary("not_equal", path, _behind(path, 2, blank)))


def _behind(x: Tensor, by: int, filled: float = NEVER) -> Tensor:
    """(samples, places) moved up by `by` places."""
    front = full(filled, (x.dims[0], by), x.type.dtype)
    moved = concatenate([front, x], 1)
    return apply_op("slice", moved, starts=(0, 0), limits=x.dims, strides=(1, 1))


def _at_labels(log_p: Tensor, path: Tensor) -> Tensor:
    """(samples, places, steps): the logarithm of the probability of the class at each place of a path."""
    samples, steps, classes = log_p.dims
    known = apply_op("gather", counting(classes), path, axis=0)  # IndexRangeError for what is no class
    rows = reshape_to(permute_dimensions(log_p, (0, 2, 1)), (samples * classes, steps))
    return apply_op("gather", rows, reshape_to(counting(samples) * classes, (samples, 1)) + known, axis=0)


def log_sum(*logs: Tensor) -> Tensor:
    """log(sum(exp(x))) of tensors of one shape, without overflow."""
    top = logs[0]
    for x in logs[1:]:
        top = apply_op("maximum", top, x)
    top = apply_op("stop_gradient", top)
    total = apply_op("exp", logs[0] - top)
    for x in logs[1:]:
        total = total + apply_op("exp", x - top)
    return top + apply_op("log", total)
