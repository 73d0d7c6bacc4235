"""Training, testing and prediction on batches that the user's own code makes: generators and Sequences.

What does not live here: the streams of batches (batch_streams.py), training on arrays (fitting.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Listing
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np

from graphc.errors import ArgumentError
from graphc.frontend_keras.engine import fitting
from graphc.frontend_keras.engine.batch_streams import (
    DataExhaustedError,
    Stream,
    first_and_draws,
    is_stream,
    number_of_steps,
    opened,
    parts_of,
    queue_settings,
    ready,
    size_of,
)
from graphc.frontend_keras.engine.functions import TRAIN
from graphc.frontend_keras.engine.keeping import Keeper, backup_of
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.engine.resuming import Position
from graphc.frontend_keras.engine.training_arrays import begin_epoch, end_epoch, epochs_from, in_a_row
from graphc.frontend_keras.utils import global_random
from graphc.frontend_keras.utils.data_utils import Sequence
from graphc.frontend_keras.utils.generic_utils import to_list, unpack_singleton
from graphc.frontend_keras.utils.progbar import Progbar

__all__ = ["DataExhaustedError", "TrainingOnGenerators"]


def _steps_of_samples(samples: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Keras 1 counted the samples of an epoch: steps, where the generator knows how many samples it gives at once."""
    at_once = getattr(args[0] if args else kwargs.get("generator"), "batch_size", None)
    return samples if at_once is None else samples // at_once


keras1_keywords = renamed_keywords(
    {"samples_per_epoch": "steps_per_epoch", "val_samples": "steps", "nb_epoch": "epochs",
     "nb_val_samples": "validation_steps", "nb_worker": "workers", "pickle_safe": "use_multiprocessing",
     "max_q_size": "max_queue_size"},
    note="`steps_per_epoch`, `validation_steps` and `steps` count batches; the Keras 1 names counted samples",
    convert={"samples_per_epoch": _steps_of_samples})


class TrainingOnGenerators:
    """The methods of Model that take batches from a generator or a keras.utils.Sequence.

    generator            gives (x, y) or (x, y, sample_weight), again and again; or a Sequence of such batches
    steps                batches to take; default: as many as the Sequence has
    max_queue_size       how many batches are made ahead
    workers              threads or processes that make them; 0: each is made when it is needed
    use_multiprocessing  whether they are processes (utils/batch_processes.py): for code that is slow and holds Python's
                         lock. A generator runs in each of them, so that several may repeat its batches

    Raises ArgumentError (a ValueError) for other batches and for a missing number of steps, DataExhaustedError
    (a StopIteration) where a generator ends too early, and whatever the generator raises.
    """

    @keras1_keywords
    def fit_generator(self, generator: Any, steps_per_epoch: float | None = None, epochs: int = 1, verbose: int = 1,
                      callbacks: Listing[Any] | None = None, validation_data: Any = None,
                      validation_steps: float | None = None, class_weight: Any = None, max_queue_size: int = 10,
                      workers: int = 1, use_multiprocessing: bool = False, shuffle: bool = True,
                      initial_epoch: int = 0, checkpoint: Any = None) -> Any:
        """Train; returns the History. Arguments as for `fit`, and:

        validation_data  (x, y), (x, y, sample_weight), a generator or a Sequence
        shuffle          whether each epoch takes the batches of a Sequence in a new order; not with workers=0
        checkpoint       as for `fit`, with Sequences whose batches depend on their number, on what `get_state` returns
                         and on NumPy's and Python's global generators. Whether it draws from these is seen at its first
                         batch; several threads would share them in an order of their own: use one, none, or processes
                         (which see what `on_epoch_end` changes, but keep for themselves what `__getitem__` does). Where
                         the batches of training and of validation both draw, none is made ahead by a thread

        Raises ArgumentError for checkpoints with generators, whose place nobody knows.
        """
        queueing = queue_settings(workers, max_queue_size, use_multiprocessing, "fit_generator")
        generator = ready(self, generator)
        steps = number_of_steps(steps_per_epoch, generator, "steps_per_epoch")
        validation = _Validation(self, validation_data, validation_steps, queueing)
        span = range(fitting.epoch_number(initial_epoch, "initial_epoch"), fitting.epoch_number(epochs, "epochs"))
        listeners = fitting.make_callbacks(self, callbacks, verbose, steps)
        listeners.set_params({"epochs": epochs, "steps": steps, "verbose": verbose, "do_validation": validation.wanted,
                              "metrics": fitting.metric_labels(self, validating=True)})
        for callback in listeners:
            callback.validation_data = validation.arrays
        with ExitStack() as streams:
            keeper, draws = _keeper(self, checkpoint, callbacks, generator, steps, span, validation,
                                    shuffle and queueing[0] > 0, queueing[0] < 1)
            if keeper is not None:
                streams.enter_context(keeper)
            start = fitting.begin_training(self, listeners, keeper)
            done = 0 if start is None else (start.epoch - span.start) * steps + start.batch
            places = (start and start.stream) or {"training": None, "validation": None}
            validation.open(streams, len(span), 0 if start is None else start.epoch - span.start, places["validation"])
            batches = streams.enter_context(opened(generator, steps * len(span) - done, queueing, shuffle, done,
                                                    places["training"], draws, ahead=not (draws and validation.draws)))
            _train(self, batches, steps, span, listeners, class_weight, validation, keeper, start)
            fitting.end_training(listeners, keeper)
        return self.history  # type: ignore[attr-defined]

    @keras1_keywords
    def evaluate_generator(self, generator: Any, steps: float | None = None, max_queue_size: int = 10,
                           workers: int = 1, use_multiprocessing: bool = False, verbose: int = 0) -> Any:
        """The loss, or a list of the loss and the metrics: means over the batches, weighted by their sizes."""
        queueing = queue_settings(workers, max_queue_size, use_multiprocessing, "evaluate_generator")
        generator = ready(self, generator)
        count = number_of_steps(steps, generator, "steps")
        with opened(generator, count, queueing) as batches:
            return unpack_singleton(_test(self, batches, count, verbose))

    @keras1_keywords
    def predict_generator(self, generator: Any, steps: float | None = None, max_queue_size: int = 10,
                          workers: int = 1, use_multiprocessing: bool = False, verbose: int = 0) -> Any:
        """The outputs for all batches, one after the other; targets and weights in the batches are ignored."""
        queueing = queue_settings(workers, max_queue_size, use_multiprocessing, "predict_generator")
        count = number_of_steps(steps, generator, "steps")
        bar = Progbar(target=count) if verbose == 1 else None
        parts = []
        with opened(generator, count, queueing) as batches:
            for step in range(count):
                batch = batches.take(step, count)
                x = parts_of(batch)[0] if isinstance(batch, tuple) else batch
                parts.append(to_list(self.predict_on_batch(x)))  # type: ignore[attr-defined]
                if bar is not None:
                    bar.update(step + 1)
        return unpack_singleton([column[0] if count == 1 else in_a_row(column) for column in zip(*parts)])


# ---- loops


class _Validation:
    """What a model is validated on after each epoch: arrays, a generator, a Sequence, or nothing.

    arrays  for callbacks: inputs, targets, sample weights; None unless there are such
    draws   with checkpoints: the global generators that a Sequence draws from. It then makes its batches when they are
            used, and so does one for training that draws too: two threads would draw in an order of their own
    """

    def __init__(self, model: Any, data: Any, steps: float | None, queueing: tuple[int, int, bool]):
        self.model, self.data, self.queueing = model, data, queueing
        self.stream: Stream | None = None
        self.arrays: list[Any] | None = None
        self.draws: frozenset[str] | None = None
        self.from_stream = is_stream(data)
        parts = None if self.from_stream else fitting.validation_parts(data, "fit_generator")
        self.wanted = self.from_stream or parts is not None
        if self.from_stream:
            self.steps = number_of_steps(steps or None, data, "validation_steps")
        elif parts is not None:
            self.inputs, self.targets, self.weights = model._data(*parts)
            self.arrays = fitting.as_keras(model, (self.inputs, self.targets, self.weights))

    def open(self, streams: ExitStack, epochs: int, done: int, position: Any) -> None:
        """Begin to make batches for `epochs` epochs, of which `done` are done already: up to this position."""
        if self.from_stream:
            self.stream = streams.enter_context(opened(
                self.data, self.steps * (epochs - done), self.queueing, done=self.steps * done, position=position,
                draws=self.draws, ahead=not self.draws))

    def results(self, batch_size: int) -> list[float]:
        """The loss and the metrics; arrays are tested in batches of `batch_size`."""
        if self.stream is not None:
            results = _test(self.model, self.stream, self.steps)
            self.stream.end_epoch()
            return results
        return to_list(self.model.evaluate(self.inputs, self.targets, batch_size=batch_size, verbose=0,
                                           sample_weight=self.weights))


def _keeper(model: Any, checkpoint: Any, callbacks: Any, source: Any, steps: int, span: range,
            validation: _Validation, shuffle: bool, in_turn: bool) -> tuple[Keeper | None, frozenset[str] | None]:
    """Who makes the checkpoints of this call, and the global generators that its batches depend on; or None twice.

    in_turn: whether a Sequence that is an iterator is taken as one
    """
    backup = backup_of(checkpoint, callbacks)
    if backup is None:
        return None, None
    sources = [source, *([validation.data] if validation.from_stream else [])]
    for one in sources:
        _check_position_known(one)
    if validation.from_stream:
        validation.draws = first_and_draws(validation.data)[1]
    batch, draws = first_and_draws(source)
    x, y, weight = parts_of(batch)
    model._data(x, y, weight)  # an own loss may take targets of another shape than the output, which changes functions
    taken = ["in turn" if in_turn and iter(one) is one else "by number" for one in sources]
    facts = {"data": [type(source).__name__, len(source)], "way of taking batches": taken, "batches": steps,
             "shuffle": shuffle, "validation": len(validation.data) if validation.wanted else None,
             "initial_epoch": span.start}
    return Keeper(backup, model, model._function(TRAIN), facts), draws


def _check_position_known(source: Any) -> None:
    if not isinstance(source, Sequence):
        raise ArgumentError("a generator cannot go on from a checkpoint: nobody knows its place",
                            where="fit_generator, checkpoint", expected="a keras.utils.Sequence",
                            got=type(source).__name__)
    kind = type(source)
    if kind.on_epoch_end is not Sequence.on_epoch_end and kind.get_state is Sequence.get_state:
        raise ArgumentError("the Sequence changes itself between epochs and does not say how to go on",
                            where=f"{kind.__name__}, checkpoint", fix="Define get_state() and set_state(state).")


def _train(model: Any, batches: Stream, steps: int, span: range, callbacks: Any, class_weight: Any,
           validation: _Validation, keeper: Keeper | None, start: Position | None) -> None:
    position = partial(_position, batches, validation)
    for epoch, first in epochs_from(model, span, start):
        if not first:
            begin_epoch(model, callbacks, epoch)
        size, finished = (start.size if start is not None else 0), first == steps
        for step in range(steps if first and model.stop_training else first, steps):
            size = _train_step(model, batches.take(step, steps), step, callbacks, class_weight)
            finished = step + 1 == steps
            if keeper is not None:
                keeper.after_batches(partial(position, epoch, step + 1, size), 1)
            if model.stop_training:
                break
        logs: dict[str, Any] = {}
        if finished:
            batches.end_epoch()
            if validation.wanted:
                logs.update((f"val_{label}", value)
                            for label, value in zip(model.metrics_names, validation.results(size)))
        end_epoch(model, callbacks, epoch, logs, span.stop, keeper, partial(position, epoch + 1, 0, size))


def _position(batches: Stream, validation: _Validation, epoch: int, batch: int, size: int) -> Position:
    stream, chance = batches.position()
    tested = None if validation.stream is None else validation.stream.position()[0]
    return Position(epoch, batch, size=size, stream={"training": stream, "validation": tested},
                    chance={**global_random.get_state(), **chance})


def _train_step(model: Any, batch: Any, step: int, callbacks: Any, class_weight: Any) -> int:
    x, y, weight = parts_of(batch)
    size = size_of(x)
    logs: dict[str, Any] = {"batch": step, "size": size}
    callbacks.on_batch_begin(step, logs)
    results = to_list(model.train_on_batch(x, y, sample_weight=weight, class_weight=class_weight))
    logs.update(zip(model.metrics_names, map(float, results)))
    callbacks.on_batch_end(step, logs)
    return size


def _test(model: Any, batches: Stream, steps: int, verbose: int = 0) -> list[float]:
    """The results of `steps` batches: means weighted by their sizes, and the last values of metrics with state."""
    for metric in model.stateful_metric_functions:
        metric.reset_states()
    bar = Progbar(target=steps) if verbose == 1 else None
    results, sizes = [], []
    for step in range(steps):
        x, y, weight = parts_of(batches.take(step, steps))
        sizes.append(size_of(x))
        results.append([float(value) for value in to_list(model.test_on_batch(x, y, sample_weight=weight))])
        if bar is not None:
            bar.update(step + 1)
    return [column[-1] if name in model.stateful_metric_names else float(np.average(column, weights=sizes))
            for name, column in zip(model.metrics_names, zip(*results))]
