"""K.ctc_decode: labels from the probabilities of steps, by the best path or by beam search.

Beam search keeps the `beam_width` most likely beginnings of labels, each with the probability of all paths that stand
for it, those that end in a blank and those that end in its last label apart, because a label that follows itself needs
a blank between: A. Graves, N. Jaitly, "Towards End-to-End Speech Recognition with Recurrent Neural Networks", ICML
2014, section 4. A step goes on with each beginning as it is, or with one more label; the likeliest are kept.

What does not live here: the cost (ctc.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.errors import ArgumentError
from graphc.frontend_keras.backend.config import epsilon
from graphc.frontend_keras.backend.ctc import (
    NEVER,
    counting,
    lengths_of,
    log_probabilities,
    log_sum,
    number_of_classes,
    of_one_batch,
)
from graphc.frontend_keras.backend.elementwise import equal, less, log, maximum
from graphc.frontend_keras.backend.loops import Loop
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.phase import switch
from graphc.frontend_keras.backend.reductions import all, argmax, cumsum, max, sum
from graphc.frontend_keras.backend.shaping import concatenate, expand_dims, permute_dimensions, reshape
from graphc.frontend_keras.backend.tensor import (
    Tensor,
    apply_op,
    binary,
    broadcast_to,
    broadcast_together,
    cast,
    full,
    full_like,
    matmul,
    reshape_to,
)
from graphc.ir.dims import Dim
from graphc.ir.types import I64


def ctc_decode(y_pred: Tensor, input_length: Tensor, greedy: bool = True, beam_width: int = 100,
               top_paths: int = 1) -> tuple[list[Tensor], Tensor]:
    """The likeliest labels of each sample.

    y_pred        (samples, steps, classes): probabilities; the last class is the blank
    input_length  (samples,) or (samples, 1): how many of the steps count
    greedy        the labels of the likeliest path, else those that a beam search finds
    beam_width    how many beginnings the search keeps
    top_paths     how many labellings the search returns, the likeliest first

    Returns a list of `top_paths` tensors (samples, steps), int64, -1 behind the last label; and (samples, top_paths),
    the logarithms of their probabilities. A greedy search returns one tensor, and (samples, 1), minus the logarithm of
    the probability of the path. Keras cuts the tensors to the longest labels; here their shape does not depend on
    values. Raises ArgumentError for more paths than beams.
    """
    y_pred, lengths = of_one_batch(y_pred, lengths_of(input_length))
    if greedy:
        return _best_path(y_pred, lengths)
    if not 1 <= top_paths <= beam_width:
        raise ArgumentError("a beam search cannot return more paths than it keeps", where=current_origin(),
                            expected=f"1 <= top_paths <= beam_width = {beam_width}", got=top_paths)
    beams = _searched(log_probabilities(y_pred), lengths, int(beam_width))
    return [beams.labels[:, i] for i in range(top_paths)], beams.total[:, :top_paths]


def _best_path(y_pred: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
    samples, steps, _ = y_pred.dims
    counted = less(counting(steps), reshape_to(lengths, (samples, 1)))
    best = argmax(y_pred, 2)
    before = concatenate([full(-1, (samples, 1), I64), best], 1)[:, :-1]
    kept = apply_op("logical_and", apply_op("logical_and", counted, binary("not_equal", best, before)),
                    binary("not_equal", best, number_of_classes(y_pred) - 1))
    place = switch(kept, cumsum(cast(kept, I64), 1) - 1, full_like(-1, best))
    here = equal(expand_dims(place, 1), reshape_to(counting(steps), (1, steps, 1)))
    found = sum(switch(here, expand_dims(best + 1, 1), full(0, here.dims, I64)), 2) - 1
    likeliest = max(log(y_pred + epsilon()), 2)
    return [found], -sum(switch(counted, likeliest, full_like(0, likeliest)), 1, keepdims=True)


@dataclass(frozen=True)
class _Beams:
    """Beginnings of labels, the likeliest first, (samples, beams) each; `labels` has an axis of steps more.

    labels, length   -1 stands behind the last label
    blank, label     logarithms of the probabilities of the paths that end in a blank, and in the last label
    """

    labels: Tensor
    length: Tensor
    blank: Tensor
    label: Tensor

    @property
    def total(self) -> Tensor:
        return log_sum(self.blank, self.label)

    @property
    def last(self) -> Tensor:
        """The last label, -1 where there is none."""
        at = equal(counting(self.labels.dims[2]), expand_dims(self.length - 1, 2))
        return sum(switch(at, self.labels + 1, full_like(0, self.labels)), 2) - 1

    def fields(self) -> list[Tensor]:
        return [self.labels, self.length, self.blank, self.label]


def _searched(log_p: Tensor, lengths: Tensor, width: int) -> _Beams:
    samples, steps, _ = log_p.dims
    shape = (samples, width)
    first = switch(equal(broadcast_to(counting(width), shape), 0), full(0, shape, log_p.dtype),
                   full(NEVER, shape, log_p.dtype))
    loop = Loop(steps)
    held = _Beams(*(loop.carry(t) for t in (
        full(-1, (*shape, steps), I64), full(0, shape, I64), first, full(NEVER, shape, log_p.dtype))))
    now = loop.slice(permute_dimensions(log_p, (1, 0, 2)))
    counts = reshape_to(less(loop.number(), lengths), (samples, 1))
    for old, new in zip(held.fields(), _advanced(held, now).fields(), strict=True):
        loop.follow(old, switch(counts, new, old))
    return _Beams(*loop.run()[0])


def _advanced(beams: _Beams, log_p: Tensor) -> _Beams:
    """The likeliest beginnings one step later."""
    (_, width), (_, classes) = beams.length.dims, log_p.dims
    names = classes - 1
    of_label, total, last = log_p[:, :-1], beams.total, beams.last
    again = apply_op("one_hot", last, depth=names, dtype=log_p.type.dtype)  # the label that a beginning ends in
    longer = switch(again > 0, expand_dims(beams.blank, 2), expand_dims(total, 2)) + expand_dims(of_label, 1)
    joins = _joins(beams, last)
    at_last = _picked(permute_dimensions(longer, (0, 2, 1)), maximum(last, 0))
    joined = max(_only(joins, permute_dimensions(at_last, (0, 2, 1))), 1)
    repeated = max(_only(again > 0, expand_dims(of_label, 1)), 2)
    stays = _Beams(beams.labels, beams.length, total + log_p[:, -1:],
                   log_sum(maximum(beams.label + repeated, NEVER), joined))
    longer = _only(matmul(cast(joins, log_p.dtype), again) < 0.5, longer)
    scores = concatenate([stays.total, reshape(longer, (-1, width * names))], 1)
    return _chosen(stays, scores, _largest(scores, width), width, names)


def _joins(beams: _Beams, last: Tensor) -> Tensor:
    """(samples, w, v): whether beginning v is beginning w and one label more."""
    shorter, longer = expand_dims(beams.length, 2), expand_dims(beams.length, 1)
    steps = beams.labels.dims[2]
    alike = equal(expand_dims(beams.labels, 2), expand_dims(beams.labels, 1))
    behind = binary("greater_equal", counting(steps), expand_dims(shorter, 3))
    starts = all(apply_op("logical_or", *broadcast_together(alike, behind)), 3)
    alive = expand_dims(beams.total, 1) > NEVER / 2
    return apply_op("logical_and", apply_op("logical_and", starts, equal(longer, shorter + 1)),
                    broadcast_to(alive, starts.dims))


def _only(condition: Tensor, logs: Tensor) -> Tensor:
    """The logarithms where the condition holds, those of nothing elsewhere."""
    return switch(condition, logs, full(NEVER, logs.dims, logs.type.dtype))


def _picked(t: Tensor, places: Tensor) -> Tensor:
    """t[sample, places[sample, i]] for t (samples, n, ...): (samples, i, ...)."""
    samples, size, *rest = t.dims
    rows = reshape_to(t, (samples * size, *rest))
    return apply_op("gather", rows, reshape_to(counting(samples) * size, (samples, 1)) + places, axis=0)


def _largest(scores: Tensor, count: Dim) -> Tensor:
    """(samples, count): the places of the largest scores, the largest first."""
    loop = Loop(count)
    left = loop.carry(scores)
    best = argmax(left, 1)
    taken = equal(counting(scores.dims[1]), expand_dims(best, 1))
    loop.follow(left, switch(taken, full_like(-float("inf"), left), left))
    loop.result(best)
    return permute_dimensions(loop.run()[1][0], (1, 0))


def _chosen(stays: _Beams, scores: Tensor, chosen: Tensor, width: Dim, names: Dim) -> _Beams:
    """The beginnings that `chosen` numbers: first those that stay as they are, then those with each label more."""
    stay = less(chosen, width)
    source = switch(stay, chosen, (chosen - width) // names)
    added = binary("remainder", maximum(chosen - width, 0), names)
    labels, length, blank, label = (_picked(t, source) for t in stays.fields())
    steps = counting(stays.labels.dims[2])
    end = apply_op("logical_and", *broadcast_together(expand_dims(~stay, 2), equal(steps, expand_dims(length, 2))))
    return _Beams(switch(end, expand_dims(added, 2), labels), length + cast(~stay, I64),
                  _only(stay, blank), switch(stay, label, _picked(scores, chosen)))
