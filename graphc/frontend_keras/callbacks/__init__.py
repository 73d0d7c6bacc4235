"""The callbacks of Keras 2.2.4: every public name; and BackupAndRestore of tf.keras.

What does not live here: the loop that calls them (engine/).
"""

from graphc.frontend_keras.callbacks.backup import BackupAndRestore
from graphc.frontend_keras.callbacks.base import Callback, CallbackList, LambdaCallback, needs_batches
from graphc.frontend_keras.callbacks.checkpoint import ModelCheckpoint
from graphc.frontend_keras.callbacks.control import (
    EarlyStopping,
    LearningRateScheduler,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from graphc.frontend_keras.callbacks.loggers import BaseLogger, CSVLogger, History, ProgbarLogger
from graphc.frontend_keras.callbacks.remote import RemoteMonitor
from graphc.frontend_keras.callbacks.tensorboard import TensorBoard

__all__ = ["BackupAndRestore", "BaseLogger", "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History",
           "LambdaCallback", "LearningRateScheduler", "ModelCheckpoint", "ProgbarLogger", "ReduceLROnPlateau",
           "RemoteMonitor", "TensorBoard", "TerminateOnNaN", "needs_batches"]
