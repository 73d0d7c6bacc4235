"""The models that the soak tests train, each always with the same first weights and the same data.

What does not live here: what is asked of them (the files beside this one).
"""

import hashlib
import warnings

import numpy as np

from graphc import frontend_keras as keras

K, layers = keras.backend, keras.layers
Input, Model, Sequential = layers.Input, keras.models.Model, keras.models.Sequential


def mlp():
    model = Sequential([layers.Dense(160, activation="relu", input_shape=(70,)), layers.Dropout(0.3),
                        layers.Dense(33, activation="tanh"), layers.Dense(10, activation="softmax")])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model, [normal(64, 70)], one_hot(64, 10)


def images():
    model = Sequential([layers.Conv2D(12, 3, padding="same", use_bias=False, input_shape=(14, 14, 3)),
                        layers.BatchNormalization(), layers.Activation("relu"), layers.MaxPooling2D(),
                        layers.Conv2D(20, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(5)])
    model.compile("rmsprop", "mse")
    return model, [normal(32, 14, 14, 3)], normal(32, 5)


def words():
    model = Sequential([layers.Embedding(300, 24, input_length=12), layers.LSTM(32), layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy", metrics=["accuracy"])
    return model, [np.random.default_rng(2).integers(0, 300, (48, 12))], np.arange(48)[:, None] % 2


def merged():
    """Two inputs, a layer that both share, and every way to merge."""
    left, right, shared = Input((40,)), Input((40,)), layers.Dense(64, activation="sigmoid")
    a, b = shared(left), shared(right)
    parts = [layers.add([a, b]), layers.multiply([a, b]), layers.maximum([a, b]), layers.average([a, b])]
    hidden = layers.GaussianNoise(0.1)(layers.concatenate(parts))
    outputs = [layers.Dense(6, activation="softmax")(hidden), layers.Dense(1)(layers.dot([a, b], axes=1))]
    model = Model([left, right], outputs)
    model.compile("adagrad", ["categorical_crossentropy", "mse"], loss_weights=[1, 0.2])
    return model, [normal(96, 40), normal(96, 40, seed=5)], [one_hot(96, 6), normal(96, 1)]


def both_ways():
    model = Sequential([layers.Bidirectional(layers.GRU(16, return_sequences=True), input_shape=(9, 7)),
                        layers.Conv1D(8, 3, activation="relu"), layers.GlobalMaxPooling1D(),
                        layers.Dense(4, activation="softmax")])
    model.compile("nadam", "sparse_categorical_crossentropy")
    return model, [normal(40, 9, 7)], np.arange(40)[:, None] % 4


MODELS = {f.__name__: f for f in (mlp, images, words, merged, both_ways)}


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("f4")


def one_hot(count, classes):
    return np.eye(classes, dtype="f4")[np.random.default_rng(3).integers(classes, size=count)]


def fresh(name):
    """The model as in a process of its own, with its inputs and targets."""
    K.clear_session()
    np.random.seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return MODELS[name]()


def digest(arrays):
    found = hashlib.sha256()
    for array in arrays:
        array = np.asarray(array)
        found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def state_of(model):
    """Weights and the optimizer's slots."""
    return digest([*model.get_weights(), *model.optimizer.get_weights()])
