"""Loops over arrays: epochs of training, tests, predictions.

Batches run in native calls of many steps wherever nobody needs to look between two of them; results and order
are those of one call per batch.

What does not live here: checks and preparation of the data (training.py, standardize.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Listing
from functools import partial
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.callbacks import BaseLogger, Callback, CallbackList, ProgbarLogger, needs_batches
from graphc.frontend_keras.engine.keeping import Keeper
from graphc.frontend_keras.engine.resuming import Position
from graphc.frontend_keras.engine.rows import Order, Pace, Rows
from graphc.frontend_keras.engine.symbolic_data import Feed
from graphc.frontend_keras.utils.progbar import Progbar

__all__ = ["FitLoop", "batch_shuffled", "begin_epoch", "end_epoch", "epochs_from", "evaluate_loop", "evaluate_steps",
           "fit_steps", "in_a_row", "pace", "predict_loop", "predict_steps", "run_batches"]

SHOWN_SECONDS = 0.05
"""How long a native call may take while a progress bar is shown: the bar's own interval."""
SILENT_SECONDS = 0.5
"""The same while nothing is shown; a keyboard interrupt waits that long."""

_COUNTING = (Callback.on_batch_end, BaseLogger.on_batch_end, ProgbarLogger.on_batch_end)
_STARTING = (Callback.on_batch_begin, ProgbarLogger.on_batch_begin)


def pace(rows: Rows, batch_size: int, shown: bool) -> Pace:
    held = 0 if K.target() == "cuda" else rows.row_bytes * batch_size  # a GPU holds the whole data
    return Pace(SHOWN_SECONDS if shown else SILENT_SECONDS, held)


def run_batches(function: Any, rows: Rows, batch_size: int, speed: Pace, order: Order = None, first: int = 0,
                room: Callable[[], int] | None = None) -> Iterator[tuple[int, list[int], list[np.ndarray]]]:
    """Run a function over the rows in batches, from batch number `first` on.

    room: how many batches may run in one native call now

    Yields, for each native call, the first batch's number, the sizes of its batches, and per output an array with
    one entry for each batch. The last batch may be smaller.
    """
    full, rest = divmod(rows.count, batch_size)
    done = first
    while done < full:
        steps = speed.steps(full - done if room is None else min(full - done, room()))
        outputs = _run(function, rows, done * batch_size, (done + steps) * batch_size, order, steps)
        speed.done(steps)
        yield done, [batch_size] * steps, outputs
        done += steps
    if rest and first <= full:
        yield full, [rest], _run(function, rows, full * batch_size, rows.count, order, 1)


def _run(function: Any, rows: Rows, start: int, stop: int, order: Order, steps: int) -> list[np.ndarray]:
    if steps == 1:
        return [np.asarray(value)[np.newaxis] for value in function(rows.take(start, stop, order))]
    stepped = (True,) * len(rows.arrays)
    if order is not None and rows.in_memory:
        return function.run_steps(rows.arrays, steps, stepped, order[start:stop])
    return function.run_steps(rows.take(start, stop, order), steps, stepped)


# ---- training


class FitLoop:
    """One call of `fit` on arrays.

    rows       inputs, targets and perhaps sample weights
    validate   a function without arguments that gives the validation's results, or None
    shuffle    True, False, or "batch"
    keeper     who makes checkpoints, or None
    """

    def __init__(self, model: Any, function: Any, rows: Rows, callbacks: CallbackList, batch_size: int, shuffle: Any,
                 validate: Any, shown: bool, keeper: Keeper | None = None):
        self.model, self.function, self.rows, self.callbacks = model, function, rows, callbacks
        self.batch_size, self.shuffle, self.validate = batch_size, shuffle, validate
        self.labels = list(model.metrics_names)
        self.stateful = set(model.stateful_metric_names)
        self.keeper = keeper
        self.order = np.arange(rows.count)
        self.speed = pace(rows, batch_size, shown)
        if shuffle and rows.in_memory:
            self.speed.most = rows.count
        self.speed.per_step = model._seconds_per_step.get((id(function), batch_size), 0.0)
        self.one_by_one = needs_batches(callbacks)
        self.in_sum = all(_only_counts(callback) for callback in callbacks)
        self.means = [one for one in callbacks if type(one).on_batch_end is BaseLogger.on_batch_end]
        self.counting = CallbackList([one for one in callbacks if one not in self.means])

    def run(self, initial_epoch: int, epochs: int, start: Position | None = None) -> None:
        """Train epochs; from `start` on, where the training goes on from a checkpoint."""
        if start is not None and start.order is not None:
            self.order = start.order
        for epoch, first in epochs_from(self.model, range(initial_epoch, epochs), start):
            if not first:
                begin_epoch(self.model, self.callbacks, epoch)
                self._shuffle()
            one_by_one = self.one_by_one or self.model.stop_training  # one batch more, where a callback has said so
            finished = self._epoch_by_batches(epoch, first) if one_by_one else self._epoch_by_chunks(epoch, first)
            logs: dict[str, Any] = {}
            if finished and self.validate is not None:
                logs.update((f"val_{label}", value) for label, value in zip(self.labels, self.validate()))
            end_epoch(self.model, self.callbacks, epoch, logs, epochs, self.keeper,
                      lambda epoch=epoch: Position(epoch + 1, order=self._order()))  # type: ignore[misc]
        self.model._seconds_per_step = {(id(self.function), self.batch_size): self.speed.per_step}

    def _shuffle(self) -> None:
        if self.shuffle == "batch":
            self.order = batch_shuffled(self.order, self.batch_size)
        elif self.shuffle:
            np.random.shuffle(self.order)

    def _order(self) -> Order:
        return self.order if self.shuffle else None

    def _epoch_by_batches(self, epoch: int, first: int) -> bool:
        """One call per batch, with the callbacks in between; False when one of them stopped the training."""
        if first and self.model.stop_training:
            return False
        for number in range(first, -(-self.rows.count // self.batch_size)):
            start = number * self.batch_size
            stop = min(start + self.batch_size, self.rows.count)
            logs: dict[str, Any] = {"batch": number, "size": stop - start}
            self.callbacks.on_batch_begin(number, logs)
            values = self.function(self.rows.take(start, stop, self._order()))
            logs.update(zip(self.labels, map(float, values)))
            self.callbacks.on_batch_end(number, logs)
            self._keep(epoch, number + 1, 1)
            if self.model.stop_training:
                return False
        return True

    def _epoch_by_chunks(self, epoch: int, first: int) -> bool:
        room = None if self.keeper is None else self.keeper.room
        for number, sizes, outputs in run_batches(self.function, self.rows, self.batch_size, self.speed,
                                                  self._order(), first, room):
            columns = [np.asarray(column, np.float64) for column in outputs]
            if self.in_sum:
                self._tell_sum(number, sizes, columns)
            else:
                self._tell_each(number, sizes, columns)
            self._keep(epoch, number + len(sizes), len(sizes))
        return True

    def _keep(self, epoch: int, batch: int, count: int) -> None:
        if self.keeper is not None:
            self.keeper.after_batches(lambda: Position(epoch, batch, order=self._order()), count)

    def _tell_sum(self, first: int, sizes: list[int], columns: list[np.ndarray]) -> None:
        """Give counting callbacks many batches of one size as one: their size together, the means of their values.

        The means of the epoch are added up batch by batch all the same, so that no bit depends on how many there are.
        """
        for mean in self.means:
            mean.add_batches(sizes[0], dict(zip(self.labels, columns)))
        logs: dict[str, Any] = {"batch": first + len(sizes) - 1, "size": sum(sizes)}
        self.counting.on_batch_begin(logs["batch"], logs)
        for label, column in zip(self.labels, columns):
            last = label in self.stateful or len(sizes) == 1
            logs[label] = float(column[-1]) if last else float(column.sum()) / len(column)
        self.counting.on_batch_end(logs["batch"], logs)

    def _tell_each(self, first: int, sizes: list[int], columns: list[np.ndarray]) -> None:
        """Replay the batches to callbacks that only read their logs."""
        for i, size in enumerate(sizes):
            logs: dict[str, Any] = {"batch": first + i, "size": size}
            self.callbacks.on_batch_begin(first + i, logs)
            logs.update((label, float(column[i])) for label, column in zip(self.labels, columns))
            self.callbacks.on_batch_end(first + i, logs)


def epochs_from(model: Any, span: range, start: Position | None) -> Iterator[tuple[int, int]]:
    """The epochs to train, each with the number of its batches that are done already; ends when a callback says so."""
    if start is not None and start.stopped and not start.batch:
        return
    for epoch in span if start is None else range(start.epoch, span.stop):
        yield epoch, start.batch if start is not None and epoch == start.epoch else 0
        if model.stop_training:
            return


def begin_epoch(model: Any, callbacks: CallbackList, epoch: int) -> None:
    for metric in model.stateful_metric_functions:
        metric.reset_states()
    callbacks.on_epoch_begin(epoch)


def end_epoch(model: Any, callbacks: CallbackList, epoch: int, logs: dict[str, Any], epochs: int,
              keeper: Keeper | None, position: Callable[[], Position]) -> None:
    """position: the beginning of the next epoch."""
    callbacks.on_epoch_end(epoch, logs)
    if keeper is not None:
        keeper.after_epoch(position, last=epoch + 1 >= epochs or model.stop_training)


def _only_counts(callback: Any) -> bool:
    """Whether many batches may be told to a callback as one."""
    kind = type(callback)
    own = vars(callback).keys() & {"on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"}
    inherited = (getattr(kind, "on_train_batch_begin", None) is Callback.on_train_batch_begin
                 and getattr(kind, "on_train_batch_end", None) is Callback.on_train_batch_end)
    return (inherited and not own and getattr(kind, "on_batch_end", None) in _COUNTING
            and getattr(kind, "on_batch_begin", None) in _STARTING)


def batch_shuffled(order: np.ndarray, batch_size: int) -> np.ndarray:
    """`order` with its whole batches in a new order; what is left over stays at the end."""
    count = len(order) // batch_size
    batches = order[:count * batch_size].reshape(count, batch_size)
    np.random.shuffle(batches)
    return np.append(batches.reshape(-1), order[count * batch_size:])


# ---- tests and predictions


def evaluate_loop(model: Any, function: Any, rows: Rows, batch_size: int, verbose: int = 0) -> list[float]:
    """The loss and metrics over all rows: means over the batches, weighted by their sizes."""
    for metric in model.stateful_metric_functions:
        metric.reset_states()
    bar = Progbar(target=rows.count) if verbose == 1 else None
    totals, seen = [0.0] * len(model.metrics_names), 0
    for _, sizes, outputs in run_batches(function, rows, batch_size, pace(rows, batch_size, bar is not None)):
        seen += sum(sizes)
        for i, (name, column) in enumerate(zip(model.metrics_names, outputs)):
            values = np.asarray(column, np.float64)
            if name in model.stateful_metric_names:
                totals[i] = float(values[-1])
            else:  # one after the other, so that no bit depends on how many batches a native call takes
                totals[i] = float(np.add.accumulate(np.append(totals[i], values * sizes))[-1])
        if bar is not None:
            bar.update(seen)
    return [total if name in model.stateful_metric_names else total / seen
            for name, total in zip(model.metrics_names, totals)]


def predict_loop(function: Any, rows: Rows, batch_size: int, verbose: int = 0) -> list[np.ndarray]:
    """The outputs for all rows, in their order."""
    if rows.count <= batch_size and verbose != 1:
        return function(rows.take(0, rows.count))
    bar = Progbar(target=rows.count) if verbose == 1 else None
    results: list[np.ndarray] = []
    seen = 0
    for _, sizes, outputs in run_batches(function, rows, batch_size, pace(rows, batch_size, bar is not None)):
        joined = [np.asarray(out).reshape(-1, *np.shape(out)[2:]) for out in outputs]
        if any(len(out) != sum(sizes) for out in joined):
            raise _no_batch_axis([np.shape(out)[1:] for out in outputs])
        if not results:
            results = joined if sum(sizes) == rows.count else [
                np.empty((rows.count, *out.shape[1:]), out.dtype) for out in joined]
        if joined is not results:
            for whole, out in zip(results, joined):
                whole[seen:seen + sum(sizes)] = out
        seen += sum(sizes)
        if bar is not None:
            bar.update(seen)
    return results


# ---- steps that all take the same arrays


def fit_steps(model: Any, function: Any, arrays: list[Any], callbacks: CallbackList, steps: int, epochs: range,
              validate: Any, keeper: Keeper | None = None, start: Position | None = None) -> None:
    """Epochs of `steps` steps, each on all of the arrays (none, where the data are tensors of the model)."""
    feed = Feed(arrays)
    for epoch, first in epochs_from(model, epochs, start):
        if not first:
            begin_epoch(model, callbacks, epoch)
        logs: dict[str, Any] = {}
        for step in range(steps if first and model.stop_training else first, steps):
            batch_logs: dict[str, Any] = {"batch": step, "size": 1}
            callbacks.on_batch_begin(step, batch_logs)
            batch_logs.update(zip(model.metrics_names, map(float, function(feed()))))
            callbacks.on_batch_end(step, batch_logs)
            if keeper is not None:
                keeper.after_batches(partial(Position, epoch, step + 1), 1)
            if model.stop_training:
                break
        if validate is not None:
            logs.update((f"val_{label}", value) for label, value in zip(model.metrics_names, validate()))
        end_epoch(model, callbacks, epoch, logs, epochs.stop, keeper, partial(Position, epoch + 1))


def evaluate_steps(model: Any, function: Any, arrays: list[Any], steps: int, verbose: int = 0) -> list[float]:
    """Means of the results of `steps` steps, and the last values of metrics with state."""
    for metric in model.stateful_metric_functions:
        metric.reset_states()
    bar = Progbar(target=steps) if verbose == 1 else None
    feed, results = Feed(arrays), list[list[float]]()
    for step in range(steps):
        results.append([float(value) for value in function(feed())])
        if bar is not None:
            bar.update(step + 1)
    return [column[-1] if name in model.stateful_metric_names else sum(column) / steps
            for name, column in zip(model.metrics_names, zip(*results))]


def predict_steps(function: Any, arrays: list[Any], steps: int, verbose: int = 0) -> list[np.ndarray]:
    """The outputs of `steps` steps, one after the other."""
    bar = Progbar(target=steps) if verbose == 1 else None
    feed, parts = Feed(arrays), list[list[np.ndarray]]()
    for step in range(steps):
        parts.append(function(feed()))
        if bar is not None:
            bar.update(step + 1)
    return [in_a_row(column) for column in zip(*parts)]


def in_a_row(parts: Listing[np.ndarray]) -> np.ndarray:
    """What one output gave for several batches, one after the other. Raises ShapeError where that cannot be."""
    if any(np.ndim(part) == 0 for part in parts):
        raise _no_batch_axis([np.shape(part) for part in parts])
    try:
        return np.concatenate(parts)
    except ValueError as error:
        raise ShapeError("outputs of different shapes cannot be joined", where="predict", got=f"{error!s:.200}",
                         expected="batches that differ in their first axis only",
                         fix="Pad them, or call predict_on_batch for each.") from error


def _no_batch_axis(shapes: Listing[tuple[int, ...]]) -> ShapeError:
    return ShapeError("an output has no batch axis, so that predictions of several batches cannot be joined",
                      where="predict", expected="one row for each sample", got=f"shapes {shapes!s:.200}",
                      fix="Call predict_on_batch for each batch.")
