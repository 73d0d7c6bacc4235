"""When a training makes checkpoints, and how it goes on from one: what stands between the loops and the files.

The loops ask how many batches may run before somebody has to look (`room`), and say after each native call and each
epoch where they are. Where checkpoints are made, and how batches are grouped into native calls, changes no bit.

What does not live here: what is remembered (resuming.py), files (saving/checkpoints.py).
"""

from __future__ import annotations

import datetime
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras.callbacks import BackupAndRestore
from graphc.frontend_keras.engine.resuming import Memory, Position
from graphc.frontend_keras.saving.checkpoints import CheckpointFolder

ANY_NUMBER = 1 << 62


def backup_of(checkpoint: Any, callbacks: Any) -> BackupAndRestore | None:
    """What fit was told about checkpoints, by its argument or by a callback.

    Raises ArgumentError where it was told twice, and for what is neither a path nor a BackupAndRestore.
    """
    found = [one for one in callbacks or () if isinstance(one, BackupAndRestore)]
    if checkpoint is not None:
        if not isinstance(checkpoint, (str, os.PathLike, BackupAndRestore)):
            raise ArgumentError("not a folder for checkpoints", where="fit, checkpoint", got=repr(checkpoint),
                                expected="a path or a BackupAndRestore")
        found.append(checkpoint if isinstance(checkpoint, BackupAndRestore) else
                     BackupAndRestore(checkpoint, delete_checkpoint=False))
    if len(found) > 1:
        raise ArgumentError("one training has one folder for checkpoints", where="fit",
                            got=[one.backup_dir for one in found])
    return found[0] if found else None


class Keeper:
    """Keeps one training; use it in a `with` statement, which takes the folder's lock and SIGTERM.

    function  the training function
    facts     arguments and shapes that must be equal when the training goes on; "batches" of an epoch among them
    """

    clock = staticmethod(time.monotonic)

    def __init__(self, backup: BackupAndRestore, model: Any, function: Any, facts: Mapping[str, Any]):
        self.backup, self.model = backup, model
        self._memory = Memory(model, function, facts)
        self._folder = CheckpointFolder(backup.backup_dir)
        self._stack = ExitStack()
        self._term = Termination()
        self._found: Any = None
        self._steps = 0
        self._saved_at = self.clock()
        frequency = backup.save_freq
        self._every = frequency if isinstance(frequency, int) else None
        self._seconds = frequency.total_seconds() if isinstance(frequency, datetime.timedelta) else None

    def __enter__(self) -> Keeper:
        """Take the lock, and look for a checkpoint to go on from.

        Raises CheckpointError, StorageError; nothing has changed then.
        """
        with ExitStack() as stack:
            folder = stack.enter_context(self._folder)
            self._found = folder.newest(self._memory.check)
            if self._found is not None:
                self._memory.compare(self._found, str(folder.path))
                self._memory.restore_seeds(self._found)
            if self.backup.save_before_preemption:
                stack.enter_context(self._term)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def resuming(self) -> bool:
        return self._found is not None

    def begin(self, callbacks: Iterable[Any]) -> Position | None:
        """Tell the callbacks that the training begins, and set everything to where it goes on; None from the start."""
        self._memory.callbacks = [one for one in callbacks if one is not self.backup]
        found, self._found = self._found, None
        if found is None:
            return None
        position = self._memory.restore(found)
        self._steps = position.steps
        return position

    def room(self) -> int:
        """How many batches may run before `after_batches` has to be called."""
        return ANY_NUMBER if self._every is None else self._every - self._steps % self._every

    def after_batches(self, position: Callable[[], Position], count: int) -> None:
        """`count` more batches are done; `position` tells where that is, all but `steps` and `stopped`."""
        self._steps += count
        due = ((self._every is not None and self._steps % self._every == 0)
               or (self._seconds is not None and self.clock() - self._saved_at >= self._seconds))
        self._save_if(due, position)

    def after_epoch(self, position: Callable[[], Position], last: bool) -> None:
        """An epoch is done; `position` tells the beginning of the next one."""
        self._save_if(last or (self._every is None and self._seconds is None), position)

    def _save_if(self, due: bool, position: Callable[[], Position]) -> None:
        asked = self._term.asked
        if due or asked:
            here = position()
            here.steps, here.stopped = self._steps, self.model.stop_training
            self._folder.save(self._memory.taken(here))
            self._saved_at = self.clock()
        if asked:
            self._term.deliver()

    def end(self) -> None:
        """The training has ended well."""
        if self.backup.delete_checkpoint:
            self._folder.clear()


class Termination:
    """Holds SIGTERM back, in the main thread; in a `with` statement. `asked`: whether it has come."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Termination:
        # None: a handler that Python did not set, which it could not put back
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is not None:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def _note(self, *_: Any) -> None:
        self.asked = True

    def __exit__(self, *_: Any) -> None:
        if self._before is None:
            return
        signal.signal(signal.SIGTERM, self._before)
        self._before = None
        if self.asked:
            self.asked = False
            os.kill(os.getpid(), signal.SIGTERM)

    def deliver(self) -> None:
        """Let the signal do what it would have done; go on where that ends neither the process nor the training."""
        before = self._before
        self.__exit__()
        if before is not None:
            self._before = signal.signal(signal.SIGTERM, self._note)
