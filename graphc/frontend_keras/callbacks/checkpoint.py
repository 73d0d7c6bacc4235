"""Saving the model while it is trained.

What does not live here: the file format (model.save, model.save_weights).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras.callbacks.base import Callback, Logs
from graphc.frontend_keras.callbacks.monitor import comparison, grows, known_mode
from graphc.frontend_keras.utils.checks import number, path


class ModelCheckpoint(Callback):
    """Saves the model after epochs.

    filepath           may hold format fields: {epoch:02d} (from 1) and names of the logs, {val_loss:.2f}
    monitor            name in the logs
    verbose            whether to say so
    save_best_only     whether only a model that is better than all before is saved
    save_weights_only  model.save_weights(filepath) instead of model.save(filepath)
    mode               as for EarlyStopping
    period             number of epochs from one file to the next

    Raises ArgumentError when `filepath` is no template, or names what the logs lack.
    """

    def __init__(self, filepath: str, monitor: str = "val_loss", verbose: int = 0, save_best_only: bool = False,
                 save_weights_only: bool = False, mode: str = "auto", period: int = 1):
        super().__init__()
        number(period, "period", "ModelCheckpoint")
        self.filepath, self.monitor, self.verbose, self.period = filepath, monitor, verbose or 0, period
        self._filled(_Fields(epoch=1, loss=0.5, val_loss=0.5))
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.epochs_since_last_save = 0
        larger = grows(monitor, known_mode(mode, "ModelCheckpoint"), also=("fmeasure",))
        self.monitor_op, self.best = comparison(larger)

    def get_state(self) -> Any:
        return {"epochs_since_last_save": self.epochs_since_last_save, "best": self.best}

    def set_state(self, state: Any) -> None:
        self.epochs_since_last_save, self.best = state["epochs_since_last_save"], state["best"]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epochs_since_last_save += 1
        if self.epochs_since_last_save < self.period:
            return
        self.epochs_since_last_save = 0
        logs = logs or {}
        file = self._filled({"epoch": epoch + 1, **logs})
        if not self.save_best_only:
            self._say(epoch, f"saving model to {file}")
            self._save(file)
        elif logs.get(self.monitor) is None:
            warn(f"Can save best model only with {self.monitor} available, skipping.", RuntimeWarning)
        else:
            self._save_if_better(epoch, file, logs[self.monitor])

    def _filled(self, fields: Mapping[str, Any]) -> str:
        template = path(self.filepath, "filepath", "ModelCheckpoint")
        try:
            return template.format_map(fields)
        except KeyError as error:
            raise ArgumentError(f"`filepath` names {error}, which the logs lack", where="ModelCheckpoint",
                                expected=", ".join(fields), got=template) from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise ArgumentError(f"`filepath` is no template that the logs fit into: {error}", where="ModelCheckpoint",
                                expected="fields such as {epoch:02d} and {val_loss:.2f}, other braces doubled",
                                got=template) from error

    def _save_if_better(self, epoch: int, file: str, current: Any) -> None:
        if not self.monitor_op(current, self.best):
            self._say(epoch, f"{self.monitor} did not improve from {self.best:.5f}")
            return
        self._say(epoch, f"{self.monitor} improved from {self.best:.5f} to {current:.5f}, saving model to {file}")
        self.best = current
        self._save(file)

    def _save(self, file: str) -> None:
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(file, overwrite=True)

    def _say(self, epoch: int, text: str) -> None:
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: {text}")


class _Fields(dict[str, Any]):
    """What the logs may hold, for trying a template: what is not known yet goes into any field."""

    def __missing__(self, name: str) -> _Unknown:
        return _Unknown()


class _Unknown:
    def __getattr__(self, name: str) -> _Unknown:
        return self

    def __getitem__(self, key: Any) -> _Unknown:
        return self

    def __format__(self, spec: str) -> str:
        return ""
