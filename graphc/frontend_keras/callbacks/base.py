"""The callback protocol: Callback, CallbackList, LambdaCallback, and which callbacks need every batch.

What does not live here: callbacks that do something (the other modules), the training loop (engine/).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np

from graphc.errors import warn
from graphc.frontend_keras.utils.checks import KeywordError

Logs = dict[str, Any] | None
Hook = TypeVar("Hook", bound=Callable[..., Any])

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_SLOW_SECONDS = 0.1


def replayable(hook: Hook) -> Hook:
    """Mark a batch hook that reads nothing but its arguments, so that it may run after later batches have run."""
    hook.replayable = True  # type: ignore[attr-defined]
    return hook


def needs_batches(callback: Any) -> bool:
    """Whether `callback` must run between two batches.

    False when all its batch hooks do nothing or only read the logs: many batches may then run in one call,
    and their logs be given to the callback afterwards, in order. A CallbackList needs what one of its
    callbacks needs.
    """
    if isinstance(callback, CallbackList):
        return any(needs_batches(one) for one in callback)
    return not all(getattr(getattr(callback, name, None), "replayable", False)
                   for name in _BATCH_HOOKS if hasattr(callback, name))


class Callback:
    """Base of the callbacks; override any of the hooks.

    params  dict of the training: batch_size, epochs, steps, samples, verbose, do_validation, metrics
    model   the model that is trained; its `stop_training = True` ends the training after this batch
    validation_data  what the model is validated on, or None
    resuming         whether the training goes on from a checkpoint; known from on_train_begin on

    `logs` is a dict: `batch` and `size` (and the results, at the end) for a batch; means of the results and
    those of the validation (`val_...`) at the end of an epoch. A callback may add entries for those after it.
    """

    params: dict[str, Any]
    model: Any
    resuming = False

    def __init__(self) -> None:
        self.validation_data: Any = None

    def get_state(self) -> Any:
        """What a checkpoint has to hold for this callback: numbers, texts, arrays, lists, tuples and dicts of them; or
        None."""
        return None

    def set_state(self, state: Any) -> None:
        """Go on from what `get_state` returned; called after `on_train_begin`."""

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def set_model(self, model: Any) -> None:
        self.model = model

    def on_train_begin(self, logs: Logs = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before epoch number `epoch`, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After the epoch and its validation."""

    @replayable
    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before batch number `batch` of the epoch, counted from 0."""
        self.on_train_batch_begin(batch, logs)

    @replayable
    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After the batch."""
        self.on_train_batch_end(batch, logs)

    @replayable
    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The name that Keras 2.3 gives to on_batch_begin."""

    @replayable
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The name that Keras 2.3 gives to on_batch_end."""


class CallbackList:
    """Calls a list of callbacks in order; warns when they are slower than the batches.

    queue_length  how many batches the median of the durations is taken of
    """

    def __init__(self, callbacks: Iterable[Any] | None = None, queue_length: int = 10):
        self.callbacks = list(callbacks or ())
        self.queue_length = queue_length
        self._batch_started: float | None = None
        self._batch_seconds = 0.0
        self._durations: dict[str, deque[float]] = {}

    def append(self, callback: Any) -> None:
        self.callbacks.append(callback)

    def set_params(self, params: dict[str, Any]) -> None:
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        for callback in self.callbacks:
            callback.set_model(model)

    def on_train_begin(self, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_train_begin(logs)

    def on_train_end(self, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_train_end(logs)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs)
        self._batch_started, self._batch_seconds = None, 0.0
        self._durations = {hook: deque(maxlen=self.queue_length) for hook in ("on_batch_begin", "on_batch_end")}

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._timed("on_batch_begin", batch, {} if logs is None else logs)
        self._batch_started = time.time()

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        now = time.time()
        self._batch_seconds = now - (now if self._batch_started is None else self._batch_started)
        self._timed("on_batch_end", batch, {} if logs is None else logs)

    def _timed(self, hook: str, batch: int, logs: dict[str, Any]) -> None:
        started = time.time()
        for callback in self.callbacks:
            getattr(callback, hook)(batch, logs)
        seconds = time.time() - started
        durations = self._durations.setdefault(hook, deque(maxlen=self.queue_length))
        durations.append(seconds)
        if seconds > _SLOW_SECONDS and self._batch_seconds > 0:
            usual = float(np.median(durations))
            if usual > max(_SLOW_SECONDS, 0.95 * self._batch_seconds):
                warn(f"Method {hook}() is slow compared to the batch update ({usual:f}). "
                     "Check your callbacks.")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.callbacks)


class LambdaCallback(Callback):
    """A callback made of functions; those left out do nothing.

    on_epoch_begin, on_epoch_end   called with (epoch, logs)
    on_batch_begin, on_batch_end   called with (batch, logs)
    on_train_begin, on_train_end   called with (logs)

    Other keywords become attributes. Raises KeywordError (a TypeError) for what cannot be called.
    """

    def __init__(self, on_epoch_begin: Callable[..., Any] | None = None,
                 on_epoch_end: Callable[..., Any] | None = None, on_batch_begin: Callable[..., Any] | None = None,
                 on_batch_end: Callable[..., Any] | None = None, on_train_begin: Callable[..., Any] | None = None,
                 on_train_end: Callable[..., Any] | None = None, **kwargs: Any):
        super().__init__()
        self.__dict__.update(kwargs)
        given = {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_batch_begin": on_batch_begin,
                 "on_batch_end": on_batch_end, "on_train_begin": on_train_begin, "on_train_end": on_train_end}
        for name, hook in given.items():
            if hook is not None and not callable(hook):
                raise KeywordError(f"`{name}` cannot be called", where="LambdaCallback", expected="a function",
                                   got=repr(hook))
        self.__dict__.update((name, hook) for name, hook in given.items() if hook is not None)
