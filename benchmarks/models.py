"""The models of the comparison: shapes and data for every system, and seven of them in Keras's form.

Any module with Keras's `layers` and `models` builds them. What does not live here: networks for images beyond vgg
(image_models.py), the same models written for JAX and PyTorch (workers/), how anything is timed (workers/protocol.py).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.image_models import densenet, inception, mobilenet, resnet, resnet_block


class Case(NamedTuple):
    """One model: what goes in and out, and how Keras builds it.

    batch    samples of a training step and of batch inference
    rows     samples of the data that fit and predict go through
    inputs   shape of one sample of each input
    classes  10: one-hot targets, categorical cross-entropy; 1: targets of 0 or 1, binary cross-entropy
    words    inputs are whole numbers below it; 0: floats in [0, 1)
    build    its Keras form, of a module such as keras
    """

    batch: int
    rows: int
    inputs: tuple[tuple[int, ...], ...]
    classes: int
    words: int
    build: Callable[[Any], Any]

    @property
    def loss(self) -> str:
        return "binary_crossentropy" if self.classes == 1 else "categorical_crossentropy"


def case_of(name: str) -> Case:
    """The case of a name in CASES; "mlp@8" is mlp with batches eight times as large."""
    plain, _, times = name.partition("@")
    case = CASES[plain]
    return case._replace(batch=case.batch * int(times or 1))


def data(case: Case, rows: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The inputs and the targets of `rows` samples; the same at every call."""
    random = np.random.default_rng(1)
    shapes = [(rows, *shape) for shape in case.inputs]
    xs: list[np.ndarray] = [random.integers(case.words, size=shape, dtype="int32") if case.words
                            else random.random(shape, dtype="float32") for shape in shapes]
    if case.classes == 1:
        return xs, random.integers(2, size=(rows, 1)).astype("float32")
    return xs, np.eye(case.classes, dtype="float32")[random.integers(case.classes, size=rows)]


def mlp(keras: Any) -> Any:
    """20 -> 64 -> 64 -> 10 with dropout."""
    layers = keras.layers
    return keras.models.Sequential([
        layers.Dense(64, activation="relu", input_shape=(20,)), layers.Dropout(0.5),
        layers.Dense(64, activation="relu"), layers.Dropout(0.5), layers.Dense(10, activation="softmax")])


def func784(keras: Any) -> Any:
    """784 -> 64 -> 64 -> 10, functional."""
    layers = keras.layers
    image = layers.Input(shape=(784,))
    hidden = layers.Dense(64, activation="relu")(image)
    hidden = layers.Dense(64, activation="relu")(hidden)
    return keras.models.Model(image, layers.Dense(10, activation="softmax")(hidden))


def stacked(keras: Any) -> Any:
    """Three LSTM layers of 32 units over 8 steps."""
    layers = keras.layers
    return keras.models.Sequential([
        layers.LSTM(32, return_sequences=True, input_shape=(8, 16)), layers.LSTM(32, return_sequences=True),
        layers.LSTM(32), layers.Dense(10, activation="softmax")])


def conv1d(keras: Any) -> Any:
    """Two pairs of convolutions over a sequence of 100 steps."""
    layers = keras.layers
    return keras.models.Sequential([
        layers.Conv1D(64, 3, activation="relu", input_shape=(100, 100)), layers.Conv1D(64, 3, activation="relu"),
        layers.MaxPooling1D(3), layers.Conv1D(128, 3, activation="relu"), layers.Conv1D(128, 3, activation="relu"),
        layers.GlobalAveragePooling1D(), layers.Dropout(0.5), layers.Dense(1, activation="sigmoid")])


def lstm(keras: Any) -> Any:
    """A large embedding and one LSTM layer over 100 words."""
    layers = keras.layers
    return keras.models.Sequential([
        layers.Embedding(20000, 256, input_shape=(100,)), layers.LSTM(128), layers.Dropout(0.5),
        layers.Dense(1, activation="sigmoid")])


def shared(keras: Any) -> Any:
    """One LSTM layer of 64 units reads two sequences of 140 steps."""
    layers = keras.layers
    first, second, read = layers.Input(shape=(140, 256)), layers.Input(shape=(140, 256)), layers.LSTM(64)
    both = layers.concatenate([read(first), read(second)])
    return keras.models.Model([first, second], layers.Dense(1, activation="sigmoid")(both))


def vgg(keras: Any) -> Any:
    """Four 3x3 convolutions on images of 100x100, then a dense layer of 256."""
    layers = keras.layers
    return keras.models.Sequential([
        layers.Conv2D(32, (3, 3), activation="relu", input_shape=(100, 100, 3)),
        layers.Conv2D(32, (3, 3), activation="relu"), layers.MaxPooling2D((2, 2)), layers.Dropout(0.25),
        layers.Conv2D(64, (3, 3), activation="relu"), layers.Conv2D(64, (3, 3), activation="relu"),
        layers.MaxPooling2D((2, 2)), layers.Dropout(0.25), layers.Flatten(), layers.Dense(256, activation="relu"),
        layers.Dropout(0.5), layers.Dense(10, activation="softmax")])


CASES = {
    "mlp": Case(128, 1000, ((20,),), 10, 0, mlp),
    "func784": Case(32, 3200, ((784,),), 10, 0, func784),
    "stacked": Case(64, 1024, ((8, 16),), 10, 0, stacked),
    "conv1d": Case(16, 160, ((100, 100),), 1, 0, conv1d),
    "lstm": Case(16, 160, ((100,),), 1, 20000, lstm),
    "shared": Case(32, 64, ((140, 256), (140, 256)), 1, 0, shared),
    "vgg": Case(32, 128, ((100, 100, 3),), 10, 0, vgg),
    "resnet_block": Case(8, 32, ((56, 56, 64),), 10, 0, resnet_block),
    "resnet": Case(16, 64, ((64, 64, 3),), 10, 0, resnet),
    "mobilenet": Case(16, 64, ((64, 64, 3),), 10, 0, mobilenet),
    "densenet": Case(16, 64, ((32, 32, 3),), 10, 0, densenet),
    "inception": Case(16, 64, ((32, 32, 64),), 10, 0, inception),
}
