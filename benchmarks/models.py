"""The models that are measured, in Keras style: any module with Keras's layers and models builds them.

What does not live here: how they are timed (workers/), which peers there are (__main__.py).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Task(NamedTuple):
    """A compiled-to-be model with its data; batch is the batch size of training and batch inference."""

    model: Any
    x: np.ndarray
    y: np.ndarray
    loss: str
    batch: int


def _one_hot(random: np.random.RandomState, rows: int) -> np.ndarray:
    return np.eye(10, dtype="float32")[random.randint(10, size=rows)]


def mlp(keras: Any) -> Task:
    """20 -> 64 -> 64 -> 10 with dropout, batches of 128."""
    layers, random = keras.layers, np.random.RandomState(0)
    inputs = layers.Input((20,))
    hidden = layers.Dropout(0.5)(layers.Dense(64, activation="relu")(inputs))
    hidden = layers.Dropout(0.5)(layers.Dense(64, activation="relu")(hidden))
    model = keras.models.Model(inputs, layers.Dense(10, activation="softmax")(hidden))
    return Task(model, random.rand(1000, 20).astype("float32"), _one_hot(random, 1000), "categorical_crossentropy", 128)


def func784(keras: Any) -> Task:
    """784 -> 64 -> 64 -> 10, batches of 32."""
    layers, random = keras.layers, np.random.RandomState(0)
    inputs = layers.Input((784,))
    hidden = layers.Dense(64, activation="relu")(layers.Dense(64, activation="relu")(inputs))
    model = keras.models.Model(inputs, layers.Dense(10, activation="softmax")(hidden))
    return Task(model, random.rand(3200, 784).astype("float32"), _one_hot(random, 3200), "categorical_crossentropy", 32)


MODELS: dict[str, Callable[[Any], Task]] = {"mlp": mlp, "func784": func784}
NOT_BUILT = {"stacked": "LSTM", "conv1d": "Conv1D", "lstm": "Embedding and LSTM", "shared": "LSTM", "vgg": "Conv2D"}
"""Models of the comparison that graphc has no layers for yet, and what is missing."""
SIZES = {"mlp": ((20, 64, 64, 10), 128, True), "func784": ((784, 64, 64, 10), 32, False)}
"""The same models for systems without Keras: layer sizes, batch size, dropout."""
