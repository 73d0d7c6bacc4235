"""Callbacks that record and show results: means, history, progress bar, CSV file.

What does not live here: callbacks that change the training (control.py), files of models (checkpoint.py), a server
(remote.py), TensorBoard (tensorboard.py).
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Mapping
from typing import IO, Any

import numpy as np

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras.callbacks.base import Callback, Logs, replayable
from graphc.frontend_keras.utils.checks import path
from graphc.frontend_keras.utils.progbar import Progbar


class BaseLogger(Callback):
    """Puts the means of the epoch into its logs, weighted by the size of the batches.

    stateful_metrics  names whose last value is the value of the epoch

    Every training has one, before all other callbacks.
    """

    def __init__(self, stateful_metrics: Iterable[str] | None = None):
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or ())
        self.seen = 0
        self.totals: dict[str, Any] = {}

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.seen = 0
        self.totals = {}

    @replayable
    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        logs = logs or {}
        size = logs.get("size", 0)
        self.seen += size
        for name, value in logs.items():
            if name in self.stateful_metrics:
                self.totals[name] = value
            else:
                self.totals[name] = self.totals.get(name, 0) + value * size

    def add_batches(self, size: int, values: Mapping[str, np.ndarray]) -> None:
        """Many batches of one size at once, float64[batches] by name: the same sums, added in the same order."""
        for name, column in values.items():
            if name in self.stateful_metrics:
                self.totals[name] = float(column[-1])
            else:
                terms = np.append(float(self.totals.get(name, 0)), column * size)
                self.totals[name] = float(np.add.accumulate(terms)[-1])
        self.seen += size * len(next(iter(values.values())))

    def get_state(self) -> Any:
        return {"seen": self.seen, "totals": self.totals}

    def set_state(self, state: Any) -> None:
        self.seen, self.totals = state["seen"], state["totals"]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is None:
            return
        for name in self.params["metrics"]:
            if name in self.totals:
                total = self.totals[name]
                logs[name] = total if name in self.stateful_metrics else total / self.seen


class History(Callback):
    """What `fit` returns: `history`, a list of values for each name, and `epoch`, the numbers of the epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[Any]] = {}

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []
        self.history = {}

    def get_state(self) -> Any:
        return {"epoch": self.epoch, "history": self.history}

    def set_state(self, state: Any) -> None:
        self.epoch, self.history = state["epoch"], state["history"]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class ProgbarLogger(Callback):
    """Prints the number of each epoch, and a progress bar with the results.

    count_mode        whether the bar counts "samples" or "steps"
    stateful_metrics  names whose latest value is shown instead of their mean

    Raises ArgumentError for another count_mode.
    """

    def __init__(self, count_mode: str = "samples", stateful_metrics: Iterable[str] | None = None):
        super().__init__()
        if count_mode not in ("samples", "steps"):
            raise ArgumentError(f"Unknown `count_mode`: {count_mode}", where="ProgbarLogger",
                                expected="samples or steps")
        self.use_steps = count_mode == "steps"
        self.stateful_metrics = set(stateful_metrics or ())
        self.verbose, self.epochs, self.seen = 0, 0, 0
        self.target: int | None = None
        self.log_values: list[tuple[str, Any]] = []
        self._shown: int | None = None  # the epoch whose bar is not full yet

    def on_train_begin(self, logs: Logs = None) -> None:
        self.verbose = self.params["verbose"]
        self.epochs = self.params["epochs"]

    def get_state(self) -> Any:
        if self._shown is None or not self.verbose:
            return None
        return {"epoch": self._shown, "seen": self.seen, "bar": self.progbar.get_state()}

    def set_state(self, state: Any) -> None:
        self.on_epoch_begin(state["epoch"])
        self.seen = state["seen"]
        if self.verbose:
            self.progbar.set_state(state["bar"])

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.seen, self._shown = 0, epoch
        self.log_values = []
        if self.verbose:
            print(f"Epoch {epoch + 1}/{self.epochs}")
            self.target = self.params["steps" if self.use_steps else "samples"]
            self.progbar = Progbar(self.target, verbose=self.verbose, stateful_metrics=self.stateful_metrics)

    @replayable
    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        if self._unfinished():
            self.log_values = []

    @replayable
    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        logs = logs or {}
        self.seen += 1 if self.use_steps else logs.get("size", 0)
        self._collect(logs)
        if self.verbose and self._unfinished():
            self.progbar.update(self.seen, self.log_values)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._collect(logs or {})
        self._shown = None
        if self.verbose:
            self.progbar.update(self.seen, self.log_values)

    def _collect(self, logs: dict[str, Any]) -> None:
        self.log_values += [(name, logs[name]) for name in self.params["metrics"] if name in logs]

    def _unfinished(self) -> bool:
        """Whether the epoch goes on: its last batch is shown together with the validation."""
        return self.target is None or self.seen < self.target


class CSVLogger(Callback):
    """Writes one line of results for each epoch to a file; the columns are `epoch` and the sorted names.

    filename   where to
    separator  one character between two values
    append     whether to go on with a file that exists, without a second header

    A training that goes on from a checkpoint cuts off the lines of epochs that it trains again.
    Raises ArgumentError for another separator.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False):
        super().__init__()
        path(filename, "filename", "CSVLogger")
        try:
            csv.writer(io.StringIO(), delimiter=separator)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"`separator` cannot separate values: {error}", where="CSVLogger",
                                expected="one character", got=repr(separator)) from error
        self.filename, self.sep, self.append = filename, separator, append
        self.keys: list[str] | None = None
        self.writer: Any = None
        self.csv_file: IO[str] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        self._close()  # the file of a training that was interrupted
        goes_on = self.append or self.resuming
        self.append_header = not (goes_on and _has_content(self.filename))
        self.csv_file = open(self.filename, "a" if goes_on else "w", newline="")  # noqa: SIM115 (on_train_end closes)

    def get_state(self) -> Any:
        if self.csv_file is None:
            return None
        self.csv_file.flush()
        os.fsync(self.csv_file.fileno())
        return {"bytes": os.fstat(self.csv_file.fileno()).st_size, "keys": self.keys}

    def set_state(self, state: Any) -> None:
        if self.csv_file is None:
            return
        present = os.fstat(self.csv_file.fileno()).st_size
        if present < state["bytes"]:
            warn(f"{self.filename} has lost lines of earlier epochs: {present} bytes of {state['bytes']}")
        else:
            self.csv_file.truncate(state["bytes"])
        self.append_header = not os.fstat(self.csv_file.fileno()).st_size
        self.keys = state["keys"]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        logs = logs or {}
        if self.csv_file is None:
            raise ArgumentError("the file is not open", where="CSVLogger", fix="Call on_train_begin first.")
        if self.keys is None:
            self.keys = sorted(logs)
        if self.writer is None:
            self.writer = csv.writer(self.csv_file, delimiter=self.sep, lineterminator="\n")
            if self.append_header:
                self.writer.writerow(["epoch", *self.keys])
        self.writer.writerow([epoch, *(_cell(logs[name]) if name in logs else "NA" for name in self.keys)])
        self.csv_file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        self._close()

    def _close(self) -> None:
        if self.csv_file is not None:
            self.csv_file.close()
        self.writer = self.csv_file = None


def _has_content(filename: str | os.PathLike[str]) -> bool:
    return os.path.exists(filename) and os.path.getsize(filename) > 0


def _cell(value: Any) -> Any:
    """Sequences as `"[a, b]"`, so that they take one column."""
    if isinstance(value, str) or np.ndim(value) == 0:
        return value
    return '"[' + ", ".join(map(str, value)) + ']"'
