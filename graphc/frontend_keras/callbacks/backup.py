"""BackupAndRestore: a training that goes on where it was when its process died.

It is not of Keras 2.2.4 but of tf.keras, whose names it has. What it does beyond that: the training goes on in the
middle of an epoch, and with the same bits as if it had never stopped.

What does not live here: what is done at each batch (engine/keeping.py), what is remembered (engine/resuming.py), files
(saving/checkpoints.py).
"""

from __future__ import annotations

import datetime
import os
from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras.callbacks.base import Callback


class BackupAndRestore(Callback):
    """Keeps checkpoints of a training in a folder; the same call of fit, in the same or another process, goes on from
    the last one.

    backup_dir              the folder; one training at a time uses it
    save_freq               "epoch", a number of batches, or a datetime.timedelta: when a checkpoint is made, apart from
                            the end of the training
    delete_checkpoint       whether the checkpoints go when the training has ended well; else calling fit again returns
                            at once, with the whole history
    save_before_preemption  whether SIGTERM makes a checkpoint at the next step before it ends the process

    `fit(checkpoint="folder")` is the same with delete_checkpoint=False. Callbacks that have a state beyond Keras's own
    define `get_state()`, which returns numbers, texts, arrays, and lists, tuples and dicts of them, and
    `set_state(state)`, which is called after `on_train_begin` of a training that goes on; their attribute `resuming` is
    True by then. A training that goes on in the middle of an epoch does not call `on_epoch_begin` for it again. The
    same methods tell the state of a keras.utils.Sequence that changes. The data are not remembered: they have to be the
    same.

    fit raises CheckpointError (a ValueError) for a folder whose checkpoints are of another training, damaged, or in
    use, and StorageError (an OSError) where the disk refuses a checkpoint; those before it are whole then.
    Raises ArgumentError for another save_freq.
    """

    def __init__(self, backup_dir: str | os.PathLike[str], save_freq: Any = "epoch", delete_checkpoint: bool = True,
                 save_before_preemption: bool = True):
        super().__init__()
        if not isinstance(backup_dir, (str, os.PathLike)) or not os.fspath(backup_dir):
            raise ArgumentError("not a folder", where="BackupAndRestore", expected="a path", got=repr(backup_dir))
        counted = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        timed = isinstance(save_freq, datetime.timedelta) and save_freq.total_seconds() > 0
        if not (save_freq == "epoch" or counted or timed):
            raise ArgumentError("not a frequency", where="BackupAndRestore, save_freq", got=repr(save_freq),
                                expected='"epoch", a number of batches above 0, or a datetime.timedelta')
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.delete_checkpoint, self.save_before_preemption = delete_checkpoint, save_before_preemption
