"""Streams of batches from a generator or a Sequence: how many, what is in each, and where they are for a checkpoint.

What does not live here: making batches ahead of their use (utils/data_utils.py), training on them
(training_generator.py).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

from graphc.errors import ArgumentError, GraphcError, ShapeError, warn
from graphc.frontend_keras.engine.shapes import integer, length_of, positive
from graphc.frontend_keras.utils import global_random
from graphc.frontend_keras.utils.checks import KeywordError
from graphc.frontend_keras.utils.data_utils import (
    GeneratorEnqueuer,
    OrderedEnqueuer,
    Sequence,
    SequenceEnqueuer,
    iter_sequence_infinite,
)


class DataExhaustedError(GraphcError, StopIteration):
    """A generator ended before the steps did; a StopIteration, as in Keras."""


class Stream:
    """Batches, one after the other.

    sequence  where they come from, or None
    ordered   what makes those of a Sequence ahead, or None
    draws     the global generators whose numbers its batches depend on
    """

    def __init__(self, batches: Iterator[Any], sequence: Sequence | None = None,
                 ordered: OrderedEnqueuer | None = None, draws: Set[str] | None = None):
        self.batches, self.sequence, self.ordered, self.draws = batches, sequence, ordered, draws or frozenset()

    def take(self, step: int, steps: int) -> Any:
        """The next batch, for step number `step` of `steps`."""
        try:
            return next(self.batches)
        except StopIteration:
            raise DataExhaustedError("the generator ran out of data", expected=f"{steps} batches, and as many again "
                                     "for each further epoch", got=f"the end after {step} of them",
                                     fix="Let it begin anew (`while True:`), or give fewer steps.") from None

    def end_epoch(self) -> None:
        if self.ordered is not None:
            self.ordered.end_epoch()

    def position(self) -> tuple[Any, dict[str, Any]]:
        """For a checkpoint: where the batches and the Sequence are, and the generators that were further back there."""
        if self.sequence is None:
            return None, {}
        noted = None if self.ordered is None else self.ordered.before_next()
        chance, state = noted or ({}, self.sequence.get_state())
        return ({"queue": None if self.ordered is None else self.ordered.position(), "sequence": state},
                {name: chance[name] for name in self.draws & chance.keys()})


@contextmanager
def opened(source: Any, wanted: int, queueing: tuple[int, int, bool], shuffle: bool = False, done: int = 0,
            position: Any = None, draws: Set[str] | None = None, ahead: bool = True) -> Iterator[Stream]:
    """The batches of a source, of which `wanted` will be taken.

    done      how many were taken before, by a training that goes on
    position  what the position of the stream was then
    draws     of a stream whose position will be asked for: the global generators that its batches depend on
    ahead     whether threads may make batches before they are used
    """
    workers, max_queue_size, use_multiprocessing = queueing
    ordered = isinstance(source, Sequence)
    if position is not None:
        source.set_state(position["sequence"])
    if workers < 1:
        yield Stream(iter_sequence_infinite(source, done % len(source)), source) if ordered else Stream(source)
        return
    if use_multiprocessing and workers > 1 and not ordered:
        warn("several processes each run the generator from its beginning, so that batches may come several "
             "times: use a `keras.utils.Sequence`, or workers=1")
    enqueuer: SequenceEnqueuer = (OrderedEnqueuer(source, use_multiprocessing, shuffle) if ordered else
                                  GeneratorEnqueuer(source, use_multiprocessing))
    enqueuer.wanted = wanted
    if isinstance(enqueuer, OrderedEnqueuer):
        enqueuer.remembers, enqueuer.ahead = draws is not None, ahead
        if position is not None:
            enqueuer.start_at(position["queue"] or _in_order(len(source), done))
    enqueuer.start(workers, max_queue_size)
    try:
        yield (Stream(enqueuer.get(), source, enqueuer, draws) if isinstance(enqueuer, OrderedEnqueuer) else
               Stream(enqueuer.get()))
    finally:
        enqueuer.stop()


def _in_order(count: int, done: int) -> dict[str, Any]:
    """The position of a queue after `done` batches of a Sequence that were not made ahead."""
    return {"order": list(range(count)), "left": count - done % count, "ended": False}


def queue_settings(workers: Any, max_queue_size: Any, use_multiprocessing: bool, where: str) -> tuple[int, int, bool]:
    return integer(workers, "workers", where), integer(max_queue_size, "max_queue_size", where), use_multiprocessing


def is_stream(source: Any) -> bool:
    return isinstance(source, Sequence) or hasattr(source, "__next__")


def number_of_steps(given: float | None, source: Any, name: str) -> int:
    """The steps to take. A fraction, as samples / batch size gives, is rounded up."""
    if not is_stream(source):
        raise KeywordError("no batches can be taken of this", where=name,
                           expected="a generator or a keras.utils.Sequence", got=type(source).__name__,
                           fix="Call the generator function: f() instead of f." if callable(source) else "")
    if given is None:
        if not isinstance(source, Sequence):
            raise ArgumentError(f"`{name}=None` is only valid for a generator based on the `keras.utils.Sequence` "
                                "class", fix=f"Please specify `{name}` or use the `keras.utils.Sequence` class.")
        given = len(source)
    if isinstance(given, float) and math.isfinite(given):
        given = math.ceil(given)
    return positive(given, name, type(source).__name__)


def parts_of(batch: Any) -> tuple[Any, Any, Any]:
    """x, y and the sample weights of a batch."""
    if isinstance(batch, Mapping) or length_of(batch) not in (2, 3):
        raise ArgumentError("Output of generator should be a tuple `(x, y, sample_weight)` or `(x, y)`. Found: "
                            f"{batch!s:.200}")
    x, y, *weight = batch
    return x, y, weight[0] if weight else None


def size_of(x: Any) -> int:
    """The number of samples of an input; 1 where tensors of the model are the data."""
    if x is None or (isinstance(x, (list, tuple, Mapping)) and not x):
        return 1
    first = next(iter(x.values())) if isinstance(x, Mapping) else x
    first = first[0] if isinstance(first, (list, tuple)) and hasattr(first[0], "shape") else first
    size = length_of(first)
    if size is None:
        raise ShapeError("the data of a batch have no batch axis", where="generator", expected="arrays",
                         got=f"{first!r:.200}")
    if not size:
        raise ArgumentError("Received an empty batch. Batches should contain at least one item")
    return size


def ready(model: Any, source: Any) -> Any:
    """The source of batches for a model that is compiled; one that is not built yet is built for the first batch."""
    if model.built or model.optimizer is None or not is_stream(source):
        model._prepare_for(None, targets=True)
        return source
    if isinstance(source, Sequence):
        model._prepare_for(parts_of(_first(source))[0], targets=True)
        return source
    batch = Stream(source).take(0, 1)
    model._prepare_for(parts_of(batch)[0], targets=True)
    return _again(batch, source)


def _first(sequence: Sequence) -> Any:
    """The first batch; the global generators are then as they were."""
    chance = global_random.get_state()
    batch = sequence[0]
    global_random.set_state(chance)
    return batch


def first_and_draws(sequence: Sequence) -> tuple[Any, frozenset[str]]:
    """The first batch, and the global generators drawn from for it; the sequence too is then as it was."""
    chance, state = global_random.get_state(), copy.deepcopy(sequence.get_state())
    batch = sequence[0]
    draws = global_random.changed(chance, global_random.get_state())
    global_random.set_state(chance)
    if state is not None:
        sequence.set_state(state)
    return batch, draws


def _again(batch: Any, source: Iterator[Any]) -> Iterator[Any]:
    yield batch
    yield from source
