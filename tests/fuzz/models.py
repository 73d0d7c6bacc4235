"""Random Keras models, written against the public API alone, with data for them.

Sequential and functional; shared layers, nested models, merges, several inputs, masks; recurrent, convolutional and
dense layers with random options; random losses, optimizers and metrics.

What does not live here: what is checked of them (model_cases.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.frontend_keras import Input, Model, Sequential, optimizers
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers as L

ACTIVATIONS = ["relu", "tanh", "sigmoid", "linear", "softplus", "elu", "selu", "softsign", "hard_sigmoid", "softmax"]
LARGEST = 3000  # elements of one sample
OPTIMIZERS: list[Callable[[], Any]] = [
    lambda: optimizers.SGD(0.05), lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    lambda: optimizers.SGD(0.02, decay=0.1, clipnorm=1.0), lambda: optimizers.RMSprop(0.01, epsilon=1e-3),
    lambda: optimizers.Adagrad(0.01, epsilon=1e-3), lambda: optimizers.Adadelta(epsilon=1e-3),
    lambda: optimizers.Adam(0.01, epsilon=1e-3), lambda: optimizers.Adam(0.01, epsilon=1e-3, amsgrad=True),
    lambda: optimizers.Adamax(0.01, epsilon=1e-3), lambda: optimizers.Nadam(0.01, epsilon=1e-3)]
REGRESSION = ["mse", "mae", "logcosh", "hinge", "squared_hinge", "poisson", "cosine_proximity"]


@dataclass
class Built:
    """A compiled model, and arrays for one batch of inputs and targets."""

    model: Any
    inputs: list[np.ndarray]
    targets: list[np.ndarray]


def random_model(seed: int, numbers: int = 0) -> Built:
    """The model of this seed, in a session of its own; `numbers` is the seed of its weights and arrays."""
    K.clear_session()
    np.random.seed([seed, numbers])
    return _Maker(random.Random(seed), np.random.default_rng([seed, numbers])).build()


class _Maker:
    def __init__(self, rng: random.Random, data: np.random.Generator):
        self.rng, self.data = rng, data
        self.inputs: list[Any] = []
        self.arrays: list[np.ndarray] = []
        self.batch = rng.choice([1, 2, 3, 5, 8])

    def build(self) -> Built:
        rng = self.rng
        if rng.random() < 0.25:
            return self._finish_sequential()
        x = self._grow(self._start(), rng.randint(1, 4))
        if rng.random() < 0.25:
            x = self._join(self._vector(x), self._vector(self._grow(self._start(), rng.randint(0, 2))))
        outputs = [self._head(x)]
        if rng.random() < 0.15:
            outputs.append(self._head(x))
        return self._compiled(Model(self.inputs, [y for y, _, _ in outputs]), outputs)

    # ---- beginnings and ends

    def _start(self) -> Any:
        kind = self.rng.choice(["vector", "sequence", "image", "words"])
        shape = {"vector": (self.rng.randint(1, 12),), "sequence": (self.rng.randint(4, 7), self.rng.randint(1, 6)),
                 "image": (*self.rng.choices([6, 8, 9], k=2), self.rng.randint(1, 3)),
                 "words": (self.rng.randint(3, 7),)}[kind]
        if kind == "words":
            x = Input(shape, dtype="int32")
            array = self.data.integers(0, 11, (self.batch, *shape)).astype("int32")
        else:
            x, array = Input(shape), self.data.normal(size=(self.batch, *shape)).astype("f4")
        self.inputs.append(x)
        if kind == "sequence" and self.rng.random() < 0.25:
            array[0, -1:] = 0.0
            self.arrays.append(array)
            return L.Masking()(x)
        self.arrays.append(array)
        return L.Embedding(11, self.rng.randint(2, 6), mask_zero=self.rng.random() < 0.3)(x) if kind == "words" else x

    def _finish_sequential(self) -> Built:
        model, x = Sequential(), self._start()
        first = Model(self.inputs, x)
        model.add(first)
        shape = K.int_shape(x)
        while len(shape) > 2:
            layer = L.Flatten() if self.rng.random() < 0.5 or not _fits(shape) else None
            layer = layer or (L.GlobalMaxPooling1D() if len(shape) == 3 else L.GlobalAveragePooling2D())
            if getattr(x, "_keras_mask", None) is not None or _masked(first):
                layer = L.LSTM(4)
            model.add(layer)
            shape = model.output_shape
        model.add(L.Dense(self.rng.randint(1, 9), activation=self._activation()))
        units, activation, loss, target = self._target()
        model.add(L.Dense(units, activation=activation))
        self.inputs = []
        return self._compiled(model, [(None, loss, target)])

    def _target(self) -> tuple[int, str, str, np.ndarray]:
        rng, n = self.rng, self.batch
        kind = rng.choice(["regression", "binary", "categorical", "sparse"])
        if kind == "binary":
            return 2, "sigmoid", "binary_crossentropy", self.data.integers(0, 2, (n, 2)).astype("f4")
        units = rng.randint(2, 5)
        if kind == "regression":
            loss = rng.choice(REGRESSION)
            positive = loss == "poisson"
            target = self.data.normal(size=(n, units)).astype("f4")
            return units, "softplus" if positive else "linear", loss, np.abs(target) if positive else target
        labels = self.data.integers(0, units, (n, 1))
        target = labels.astype("f4") if kind == "sparse" else np.eye(units, dtype="f4")[labels[:, 0]]
        return units, "softmax", f"{'sparse_' if kind == 'sparse' else ''}categorical_crossentropy", target

    def _head(self, x: Any) -> tuple[Any, str, np.ndarray]:
        units, activation, loss, target = self._target()
        return L.Dense(units, activation=activation)(self._vector(x)), loss, target

    def _compiled(self, model: Any, outputs: list[tuple[Any, str, np.ndarray]]) -> Built:
        rng = self.rng
        model.compile(rng.choice(OPTIMIZERS)(), loss=[loss for _, loss, _ in outputs],
                      metrics=rng.choice([None, ["mae"], ["accuracy"]]))
        return Built(model, self.arrays, [target for *_, target in outputs])

    def _vector(self, x: Any) -> Any:
        rank = len(K.int_shape(x))
        if rank == 2:
            return x
        if rank == 3:
            if self.rng.random() < 0.6 or _has_mask(x):
                return self._recurrent(last=True)(x)
            return self.rng.choice([L.Flatten, L.GlobalMaxPooling1D, L.GlobalAveragePooling1D])()(x)
        return self.rng.choice([L.Flatten, L.GlobalMaxPooling2D, L.GlobalAveragePooling2D])()(x)

    # ---- the middle

    def _grow(self, x: Any, steps: int) -> Any:
        for _ in range(steps):
            way = self.rng.random()
            if way < 0.6:
                x = self._apply(x)
            elif way < 0.75:
                x = self._branch(x)
            elif way < 0.9:
                x = self._nested(x)
            else:
                layer = L.Dense(K.int_shape(x)[-1], activation=self._activation(smooth=True))
                x = layer(x) if _has_mask(x) else layer(layer(x))
        return x

    def _apply(self, x: Any) -> Any:
        layer = self._layer(K.int_shape(x), _has_mask(x))
        return layer(x)

    def _branch(self, x: Any) -> Any:
        """Two ways to one shape, merged."""
        units = self.rng.randint(1, 6)
        return self._join(*(L.Dense(units, activation=self._activation())(x) for _ in range(2)))

    def _join(self, a: Any, b: Any) -> Any:
        if K.int_shape(a) != K.int_shape(b):
            return L.Concatenate()([a, b])
        kinds = [L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Concatenate]
        return self.rng.choice(kinds)()([a, b])

    def _nested(self, x: Any) -> Any:
        """A model used as a layer, at times twice."""
        shape = K.int_shape(x)
        if _has_mask(x):
            return self._apply(x)
        inner = Sequential()
        inner.add(L.Dense(shape[-1], input_shape=shape[1:], activation=self._activation()))
        inner.add(L.BatchNormalization() if self.rng.random() < 0.4 else L.Dense(shape[-1]))
        return L.Add()([inner(x), inner(L.Activation("tanh")(x))]) if self.rng.random() < 0.5 else inner(x)

    def _activation(self, *, smooth: bool = False) -> str:
        return self.rng.choice(ACTIVATIONS[1:4] if smooth else ACTIVATIONS)

    def _layer(self, shape: tuple, masked: bool) -> Any:
        rng = self.rng
        anywhere = [lambda: L.Dense(rng.randint(1, 9), activation=self._activation(), use_bias=rng.random() < 0.8),
                    lambda: L.Dropout(rng.choice([0.2, 0.5])), lambda: L.Activation(self._activation()),
                    lambda: L.LeakyReLU(0.2)]
        if masked:
            return rng.choice([anywhere[1], self._recurrent, self._recurrent])()
        anywhere += [lambda: L.BatchNormalization(momentum=0.9, scale=rng.random() < 0.8), lambda: L.PReLU(),
                     lambda: L.ELU(), lambda: L.GaussianNoise(0.1)]
        own = {2: [], 3: self._sequence_layers(shape), 4: self._image_layers(shape)}[len(shape)]
        return rng.choice(own if own and rng.random() < 0.6 else anywhere)()

    def _recurrent(self, last: bool = False) -> Any:
        rng = self.rng
        kind = rng.choice([L.LSTM, L.GRU, L.SimpleRNN])
        options = {"return_sequences": not last, "go_backwards": rng.random() < 0.2,
                   "recurrent_dropout": rng.choice([0.0, 0.0, 0.3]), "dropout": rng.choice([0.0, 0.0, 0.3])}
        if kind is L.LSTM:
            options["unit_forget_bias"] = rng.random() < 0.5
        if kind is L.GRU:
            options["reset_after"] = rng.random() < 0.5
        layer = kind(rng.randint(1, 6), **options)
        if rng.random() < 0.25:
            return L.Bidirectional(layer, merge_mode=rng.choice(["concat", "sum", "mul", "ave"]))
        return layer

    def _sequence_layers(self, shape: tuple) -> list[Callable[[], Any]]:
        rng = self.rng
        found: list[Callable[[], Any]] = [
            self._recurrent, self._recurrent, lambda: L.TimeDistributed(L.Dense(rng.randint(1, 5), activation="tanh")),
            lambda: L.ZeroPadding1D(1), lambda: L.UpSampling1D(2), lambda: L.Permute((2, 1))]
        if shape[1] is not None and shape[1] >= 3:
            found += [lambda: L.Conv1D(rng.randint(1, 6), rng.choice([1, 2, 3]), activation=self._activation(),
                                       padding=rng.choice(["valid", "same", "causal"])),
                      lambda: L.MaxPooling1D(2, padding=rng.choice(["valid", "same"])), lambda: L.AveragePooling1D(2),
                      lambda: L.SeparableConv1D(rng.randint(1, 4), 2), lambda: L.Cropping1D(1)]
        return found

    def _image_layers(self, shape: tuple) -> list[Callable[[], Any]]:
        rng = self.rng
        found: list[Callable[[], Any]] = [lambda: L.ZeroPadding2D((1, 2)), lambda: L.SpatialDropout2D(0.3)]
        if np.prod(shape[1:]) * 4 <= LARGEST:
            found += [lambda: L.UpSampling2D((2, 1)), lambda: L.Conv2DTranspose(rng.randint(1, 3), 2, strides=2)]
        if min(shape[1:3]) >= 3:
            found += [lambda: L.Conv2D(rng.randint(1, 6), rng.choice([1, 2, 3]), strides=rng.choice([1, 1, 2]),
                                       padding=rng.choice(["valid", "same"]), activation=self._activation()),
                      lambda: L.Conv2D(rng.randint(1, 4), 2, dilation_rate=2, padding=rng.choice(["valid", "same"])),
                      lambda: L.SeparableConv2D(rng.randint(1, 4), 3, padding="same"),
                      lambda: L.DepthwiseConv2D(2, depth_multiplier=rng.choice([1, 2])),
                      lambda: L.MaxPooling2D(2, padding=rng.choice(["valid", "same"])),
                      lambda: L.AveragePooling2D(2, padding=rng.choice(["valid", "same"]))]
        return found


def _has_mask(x: Any) -> bool:
    return getattr(x, "_keras_mask", None) is not None


def _masked(model: Any) -> bool:
    return any(isinstance(layer, L.Masking) or getattr(layer, "mask_zero", False) for layer in model.layers)


def _fits(shape: tuple) -> bool:
    return all(shape[1:])
