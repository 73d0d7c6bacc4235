"""Small trainings that together have every kind of state, and a hash of all that a training leaves.

What does not live here: what is done to them (the other modules).
"""

import hashlib
import random

import numpy as np

from graphc.frontend_keras import backend as K
from graphc.frontend_keras import callbacks, optimizers
from graphc.frontend_keras.backend.random import random_step
from graphc.frontend_keras.engine.functions import TEST, TRAIN
from graphc.frontend_keras.layers import (
    LSTM,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    MaxPooling2D,
)
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.utils import Sequence

DATA = np.random.RandomState(0)
SAMPLES, BATCH = 44, 8
X, PICTURES = DATA.rand(SAMPLES, 6).astype("f4"), DATA.rand(SAMPLES, 6, 6, 1).astype("f4")
WORDS = DATA.randint(300, size=(SAMPLES, 5))
Y = np.eye(3, dtype="f4")[DATA.randint(3, size=SAMPLES)]


def dense():
    """Adam, shuffling, EarlyStopping that goes back to the best weights."""
    model = Sequential([Dense(8, activation="tanh", input_dim=6), Dense(3, activation="softmax")])
    model.compile(optimizers.Adam(lr=0.02, amsgrad=True), "categorical_crossentropy", metrics=["accuracy"])
    return model, X, lambda: [callbacks.EarlyStopping("loss", patience=2, min_delta=0.05, restore_best_weights=True)]


def conv():
    """Momentum with decay, a rate that a callback lowers."""
    model = Sequential([Conv2D(4, 3, activation="relu", input_shape=(6, 6, 1)), MaxPooling2D(), Flatten(),
                        Dense(3, activation="softmax")])
    model.compile(optimizers.SGD(lr=0.1, momentum=0.9, decay=0.01, nesterov=True), "categorical_crossentropy")
    return model, PICTURES, lambda: [callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=0.05)]


def dropped():
    """Dropout and batch normalisation, under a schedule of rates."""
    model = Sequential([Dense(12, activation="relu", input_dim=6), BatchNormalization(), Dropout(0.5),
                        Dense(3, activation="softmax")])
    model.compile("nadam", "categorical_crossentropy", metrics=["accuracy"])
    return model, X, lambda: [callbacks.LearningRateScheduler(lambda epoch: 0.01 / (1 + epoch))]


def embedded():
    """Slots that are kept as tables and scales."""
    model = Sequential([Embedding(4096, 6, input_length=5), Flatten(), Dense(3, activation="softmax")])
    model.compile(optimizers.RMSprop(lr=0.01), "categorical_crossentropy", metrics=["accuracy"])
    return model, WORDS, lambda: []


def recurrent():
    """A loop over time with dropout, and a callback that looks at every batch."""
    model = Sequential([Embedding(300, 4, input_length=5), LSTM(5, dropout=0.3, recurrent_dropout=0.3),
                        Dense(3, activation="softmax")])
    model.compile("adadelta", "categorical_crossentropy", metrics=["accuracy"])
    return model, WORDS, lambda: [callbacks.TerminateOnNaN()]


class Batches(Sequence):
    """Batches that `on_epoch_end` mixes anew."""

    def __init__(self, x):
        self.x, self.order = x, np.arange(SAMPLES)

    def __len__(self):
        return SAMPLES // BATCH

    def __getitem__(self, i):
        rows = self.order[i * BATCH:(i + 1) * BATCH]
        return self.x[rows], Y[rows]

    def on_epoch_end(self):
        np.random.shuffle(self.order)

    def get_state(self):
        return self.order

    def set_state(self, state):
        self.order = state.copy()


TRAININGS = {make.__name__: make for make in (dense, conv, dropped, embedded, recurrent)}
FREQUENCIES = ("epoch", 1, 3)
EPOCHS = 4


class Training:
    """One of TRAININGS, compiled and not yet begun.

    sequence: whether its batches come from a Sequence
    """

    def __init__(self, name, sequence=False):
        self.name, self.sequence = name, sequence
        self.prepare()

    def prepare(self):
        """The model as it is at the beginning."""
        K.clear_session()
        self.seed(7)
        self.model, self.x, self.callbacks = TRAININGS[self.name]()
        self.rate, self.step = float(K.get_value(self.model.optimizer.lr)), random_step()
        for kind in (TRAIN, TEST):
            self.model._function(kind).executable  # noqa: B018 (compiles)
        for variable in [*self.model.weights, *self.model.optimizer.weights]:
            variable.array  # noqa: B018 (makes its first value)
        self.first = self.model.get_weights(), self.model.optimizer.get_weights()

    @staticmethod
    def seed(number):
        np.random.seed(number)
        random.seed(number)

    def restart(self):
        """Everything as it was at the beginning."""
        self.model.set_weights(self.first[0])
        self.model.optimizer.set_weights(self.first[1])
        self.model.optimizer.lr = self.rate
        K.set_value(self.model.optimizer.iterations, 0)
        self.step.array[...] = 0
        self.seed(8)

    def spoil(self):
        """Other weights and other random numbers: what a checkpoint has to bring back."""
        self.seed(99)
        K.set_value(self.model.optimizer.iterations, 77)
        self.step.array[...] += 5
        self.model.set_weights([w + 1 for w in self.model.get_weights()])
        self.model.optimizer.set_weights([w + 1 for w in self.model.optimizer.get_weights()])

    def run(self, folder=None, frequency="epoch", more=(), epochs=EPOCHS):
        """Train; the hash of what that leaves."""
        backup = [] if folder is None else [callbacks.BackupAndRestore(folder, frequency, delete_checkpoint=False)]
        given = [*self.callbacks(), *more, *backup]
        if self.sequence:
            history = self.model.fit_generator(Batches(self.x), epochs=epochs, verbose=0, callbacks=given,
                                               validation_data=(self.x[:9], Y[:9]))
        else:
            history = self.model.fit(self.x, Y, BATCH, epochs, verbose=0, callbacks=given, validation_split=0.2)
        return self.digest(history)

    def digest(self, history):
        said = repr((history.epoch, history.history, np.random.rand(2).tolist(), random.random()))
        return hashlib.sha256(self.state() + said.encode()).hexdigest()

    def state(self):
        """Weights, slots, the counts of steps, as bytes; tables and scales apart, for reading the product rounds."""
        optimizer = self.model.optimizer
        variables = [*self.model.weights, *optimizer.weights, optimizer.iterations]
        parts = [part for variable in variables for part in variable.parts() if part is not None]
        draws = self.name in ("dropped", "recurrent")
        return b"".join(part.tobytes() for part in [*parts, *([self.step.array] if draws else [])])
