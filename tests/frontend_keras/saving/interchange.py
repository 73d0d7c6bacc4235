"""Files exchanged with real Keras: `python tests/frontend_keras/saving/interchange.py PYTHON [PYTHON ...]`.

Each PYTHON is an interpreter that has keras 3 or tf_keras, and needs nothing of graphc. It reads what graphc wrote, graphc
reads what it wrote; both predict and train on, and the largest relative differences are printed. Exit status 1 where
predictions differ by more than 1e-4.
"""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

CLOSE = 1e-4
TURNS = 3


def models(keras):
    """name: (model, inputs, optimizer, file endings that graphc may write it in)."""
    L, Model, Sequential, rules = keras.layers, keras.models.Model, keras.models.Sequential, keras.optimizers
    random = np.random.RandomState(0)

    def sequences():
        x = L.Input((5, 4))
        inner = Sequential([L.Dense(3, activation="tanh", input_shape=(4,))], name="inner")
        h = L.Bidirectional(L.LSTM(3, return_sequences=True, recurrent_activation="sigmoid"))(L.TimeDistributed(inner)(x))
        out, state = L.GRU(2, return_state=True, reset_after=True, recurrent_activation="sigmoid")(h)
        last = L.GRU(2, recurrent_activation="sigmoid", reset_after=True)(h, initial_state=state)
        return Model(x, L.Dense(2)(L.concatenate([last, out])))

    def nested():
        a = L.Input((4,))
        f = Model(a, L.Dense(3, activation="tanh")(L.Dense(4, activation="hard_sigmoid")(a)), name="f")
        x, y = L.Input((4,)), L.Input((4,))
        return Model([x, y], L.Dense(2)(L.add([f(x), f(y)])))

    def images():
        return Sequential([L.Conv2D(3, 3, padding="same", input_shape=(8, 8, 2)), L.BatchNormalization(),
                           L.SeparableConv2D(4, 3), L.MaxPooling2D(), L.DepthwiseConv2D(3), L.Conv2DTranspose(2, 3, strides=2),
                           L.PReLU(), L.Flatten(), L.Dense(2, kernel_regularizer="l2")])

    def cells():
        return Sequential([L.RNN([L.LSTMCell(3, recurrent_activation="sigmoid"), L.SimpleRNNCell(2)], return_sequences=True,
                                 input_shape=(5, 4)), L.SimpleRNN(3), L.Dense(2)])

    def words():
        return Sequential([L.Embedding(9, 3, mask_zero=True, input_shape=(4,)), L.LSTM(3, recurrent_activation="sigmoid"),
                           L.Dense(2, activation="softmax")])

    two = [random.rand(6, 4).astype("f4") for _ in range(2)]
    return {"sequences": (sequences, random.rand(6, 5, 4).astype("f4"), lambda: rules.Adam(0.01)),
            "nested": (nested, two, lambda: rules.SGD(0.01)),
            "images": (images, random.rand(6, 8, 8, 2).astype("f4"), lambda: rules.SGD(0.01, momentum=0.9)),
            "cells": (cells, random.rand(6, 5, 4).astype("f4"), lambda: rules.Adamax(0.01)),
            "words": (words, random.randint(0, 9, (6, 4)).astype("f4"), lambda: rules.Adam(0.01, amsgrad=True))}


def train(model, x):
    y = np.random.RandomState(5).rand(6, 2).astype("f4")
    return [float(np.ravel(model.train_on_batch(x, y))[0]) for _ in range(TURNS)]


def write(keras, folder, endings):
    for name, (build, x, optimizer) in models(keras).items():
        model, random = build(), np.random.RandomState(7)
        for layer in model.layers:
            layer.set_weights([random.uniform(-0.5, 0.5, w.shape) + (i == 3) for i, w in enumerate(layer.get_weights())])
        model.compile(optimizer(), "mse")
        train(model, x)
        for ending in endings:
            model.save(f"{folder}/{name}{ending}")
        np.savez(f"{folder}/{name}.npz", predictions=np.asarray(model.predict(x, verbose=0)), losses=train(model, x))


def read(keras, folder):
    """{file: (difference of predictions, difference of losses)}."""
    found = {}
    given = models(keras)
    for path in sorted(Path(folder).iterdir()):
        if path.suffix not in (".h5", ".keras"):
            continue
        data, x = np.load(path.with_suffix(".npz")), given[path.stem][1]
        try:
            model = keras.models.load_model(str(path))
            predictions = np.asarray(model.predict(x, verbose=0))
            found[path.name] = (float(np.abs(predictions - data["predictions"]).max()),
                                float(np.abs(np.array(train(model, x)) / data["losses"] - 1).max()))
        except Exception as error:
            found[path.name] = f"{type(error).__name__}: {error!s:.300}"
    return found


def peer(folder):
    """Under another Keras: write its files, read graphc's, print both as JSON."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import tf_keras as keras
    except ImportError:
        os.environ.setdefault("KERAS_BACKEND", "jax")
        import keras
    os.makedirs(f"{folder}/theirs")
    write(keras, f"{folder}/theirs", (".keras", ".h5"))  # writing .h5, Keras 3.15 forgets the optimizer
    three = keras.__version__.startswith("3")
    for path in Path(folder, "ours").iterdir():
        if path.suffix == (".h5" if three else ".keras"):
            path.rename(path.with_suffix(path.suffix + "-left-out"))
    print("\n" + json.dumps({"version": keras.__version__, "found": read(keras, f"{folder}/ours")}))


def main(pythons):
    from graphc import frontend_keras as keras

    status = 0
    for python in pythons:
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(f"{folder}/ours")
            write(keras, f"{folder}/ours", (".keras", ".h5"))
            done = subprocess.run([python, __file__, "--peer", folder], text=True, capture_output=True)
            if done.returncode:
                print(f"{python}: {done.stderr[-2000:]}")
                return 1
            theirs = json.loads(done.stdout.splitlines()[-1])
            both = {f"graphc -> {theirs['version']}": theirs["found"],
                    f"{theirs['version']} -> graphc": read(keras, f"{folder}/theirs")}
        for way, found in both.items():
            for name, result in found.items():
                good = not isinstance(result, str) and result[0] <= CLOSE
                status |= not good
                shown = result if isinstance(result, str) else f"predictions {result[0]:.1e}, training {result[1]:.1e}"
                print(f"{'ok  ' if good else 'FAIL'} {way}, {name}: {shown}")
    return status


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(peer(sys.argv[2]) if sys.argv[1:2] == ["--peer"] else main(sys.argv[1:]))
