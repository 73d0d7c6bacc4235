"""Callbacks that change the training: they stop it or set the learning rate.

What does not live here: callbacks that only record (loggers.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.callbacks.base import Callback, Logs
from graphc.frontend_keras.callbacks.monitor import comparison, grows, known_mode, value_of
from graphc.frontend_keras.utils.checks import KeywordError, finite, number


class TerminateOnNaN(Callback):
    """Stops the training at the first batch whose loss is NaN or infinite."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class EarlyStopping(Callback):
    """Stops the training when a quantity no longer gets better.

    monitor               name in the logs
    min_delta             a smaller change is no improvement
    patience              number of epochs without improvement after which to stop
    verbose               whether to say so
    mode                  "min": smaller is better, "max": larger; "auto": larger for names with acc
    baseline              value that must be surpassed, or None
    restore_best_weights  whether to go back to the weights of the best epoch when stopping

    Raises ArgumentError for what should be a number and is none.
    """

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0, verbose: int = 0,
                 mode: str = "auto", baseline: float | None = None, restore_best_weights: bool = False):
        super().__init__()
        min_delta = finite(min_delta, "min_delta", "EarlyStopping")
        number(patience, "patience", "EarlyStopping")
        if baseline is not None:
            number(baseline, "baseline", "EarlyStopping")
        self.monitor, self.patience, self.verbose = monitor, patience, verbose or 0
        self.baseline, self.restore_best_weights = baseline, restore_best_weights
        larger = grows(monitor, known_mode(mode, "EarlyStopping"))
        self.monitor_op, self._worst = comparison(larger)
        self.min_delta = min_delta if larger else -min_delta
        self.wait = self.stopped_epoch = 0
        self.best: Any = self._worst
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs = None) -> None:
        self.wait = self.stopped_epoch = 0
        self.best = self._worst if self.baseline is None else self.baseline
        self.best_weights = None

    def get_state(self) -> Any:
        return {"wait": self.wait, "stopped_epoch": self.stopped_epoch, "best": self.best,
                "best_weights": self.best_weights}

    def set_state(self, state: Any) -> None:
        self.wait, self.stopped_epoch, self.best = state["wait"], state["stopped_epoch"], state["best"]
        self.best_weights = state["best_weights"]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        current = self.get_monitor_value(logs)
        if current is None:
            return
        if self.monitor_op(current - self.min_delta, self.best):
            self.best, self.wait = current, 0
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self._stop(epoch)

    def _stop(self, epoch: int) -> None:
        self.stopped_epoch = epoch
        self.model.stop_training = True
        if self.best_weights is not None:
            if self.verbose > 0:
                print("Restoring model weights from the end of the best epoch")
            self.model.set_weights(self.best_weights)

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")

    def get_monitor_value(self, logs: Logs) -> Any:
        return value_of(self.monitor, logs or {}, "Early stopping")


def _rate_of(model: Any) -> Any:
    if not hasattr(model.optimizer, "lr"):
        raise ArgumentError('Optimizer must have a "lr" attribute', where=type(model.optimizer).__name__)
    return model.optimizer.lr


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch, and adds it to the logs as `lr`.

    schedule  called with (epoch, present rate), or (epoch) if it takes one argument; returns a float
    verbose   whether to say so

    Raises KeywordError (a TypeError) for a schedule that cannot be called, ArgumentError when it returns no finite
    float >= 0, or the optimizer has no `lr`.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        super().__init__()
        if not callable(schedule):
            raise KeywordError("`schedule` cannot be called", where="LearningRateScheduler",
                               expected="a function of (epoch) or (epoch, rate)", got=repr(schedule))
        self.schedule, self.verbose = schedule, verbose or 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        variable = _rate_of(self.model)
        try:
            rate = self.schedule(epoch, float(K.get_value(variable)))
        except TypeError:
            rate = self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise ArgumentError('The output of the "schedule" function should be float', where="LearningRateScheduler",
                                got=repr(rate))
        K.set_value(variable, finite(rate, "lr", "LearningRateScheduler", at_least=0))
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["lr"] = K.get_value(_rate_of(self.model))


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by a factor when a quantity no longer gets better; adds `lr` to the logs.

    monitor    name in the logs
    factor     < 1
    patience   number of epochs without improvement after which to reduce
    verbose    whether to say so
    mode       as for EarlyStopping
    min_delta  a smaller change is no improvement; Keras 2.1 called it epsilon
    cooldown   number of epochs after a reduction in which none are counted
    min_lr     the rate never falls below this

    Raises ArgumentError for factor >= 1, and for what should be a number and is none.
    """

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: int = 0,
                 mode: str = "auto", min_delta: float = 1e-4, cooldown: int = 0, min_lr: float = 0, **kwargs: Any):
        super().__init__()
        if "epsilon" in kwargs:
            min_delta = kwargs.pop("epsilon")
            warn("`epsilon` argument is deprecated, use `min_delta` instead.")
        if kwargs:
            raise KeywordError(f"unexpected keyword argument {next(iter(kwargs))!r}", where="ReduceLROnPlateau")
        where = "ReduceLROnPlateau"
        if finite(factor, "factor", where) >= 1:
            raise ArgumentError("ReduceLROnPlateau does not support a factor >= 1.0", got=factor)
        self.factor = finite(factor, "factor", where, at_least=0)
        self.min_lr, self.min_delta = finite(min_lr, "min_lr", where, at_least=0), finite(min_delta, "min_delta", where)
        number(patience, "patience", where)
        number(cooldown, "cooldown", where)
        self.monitor, self.patience, self.verbose, self.cooldown = monitor, patience, verbose or 0, cooldown
        self.mode = known_mode(mode, where)
        self._reset()

    def _reset(self) -> None:
        self._larger = grows(self.monitor, self.mode)
        self._better, self.best = comparison(self._larger)
        self.cooldown_counter = self.wait = 0

    def monitor_op(self, current: Any, best: Any) -> bool:
        """Whether `current` is better than `best` by more than min_delta."""
        return bool(self._better(current, best + self.min_delta if self._larger else best - self.min_delta))

    def on_train_begin(self, logs: Logs = None) -> None:
        self._reset()

    def get_state(self) -> Any:
        return {"best": self.best, "wait": self.wait, "cooldown_counter": self.cooldown_counter}

    def set_state(self, state: Any) -> None:
        self.best, self.wait, self.cooldown_counter = state["best"], state["wait"], state["cooldown_counter"]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = {} if logs is None else logs
        logs["lr"] = K.get_value(_rate_of(self.model))
        current = value_of(self.monitor, logs, "Reduce LR on plateau")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.monitor_op(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        variable = _rate_of(self.model)
        old = float(K.get_value(variable))
        if old <= self.min_lr:
            return
        new = max(old * self.factor, self.min_lr)
        K.set_value(variable, new)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: ReduceLROnPlateau reducing learning rate to {new}.")
        self.cooldown_counter, self.wait = self.cooldown, 0

    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0
