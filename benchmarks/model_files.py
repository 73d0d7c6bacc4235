"""Building, saving and loading a network like ResNet-50: `python -m benchmarks.model_files`; 25.6 million weights.

Under another interpreter, `PYTHON benchmarks/model_files.py` measures the keras of that one.

What does not live here: how fast models train and predict (models.py).
"""

import os
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np


def build(keras: Any) -> Any:
    L = keras.layers

    def normed(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        return L.BatchNormalization()(L.Conv2D(filters, size, strides=strides, padding="same")(x))

    def block(x: Any, filters: int, strides: int, first: bool) -> Any:
        y = L.Activation("relu")(normed(x, filters, 1, strides))
        y = normed(L.Activation("relu")(normed(y, filters, 3)), 4 * filters, 1)
        return L.Activation("relu")(L.add([normed(x, 4 * filters, 1, strides) if first else x, y]))

    inputs = L.Input((224, 224, 3))
    x = L.MaxPooling2D(3, strides=2)(L.Activation("relu")(normed(inputs, 64, 7, 2)))
    for stage, (filters, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for number in range(blocks):
            x = block(x, filters, 2 if stage and not number else 1, not number)
    return keras.models.Model(inputs, L.Dense(1000, activation="softmax")(L.GlobalAveragePooling2D()(x)))


def timed(what: str, run: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    made = run()
    print(f"{what}: {time.perf_counter() - start:.2f} s", flush=True)
    return made


def main(keras: Any) -> None:
    warnings.simplefilter("ignore")
    x = np.random.default_rng(0).random((1, 224, 224, 3), "f4")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/m.h5"
        model = timed("build", lambda: build(keras))
        timed("save, and initial weights where they were not made yet", lambda: model.save(path))
        timed("save", lambda: model.save(path))
        model = timed("load", lambda: keras.models.load_model(path))
        timed("first prediction", lambda: model.predict(x, verbose=0))
        timed("prediction", lambda: model.predict(x, verbose=0))


if __name__ == "__main__":
    try:
        from graphc import frontend_keras as keras
    except ImportError:
        os.environ.setdefault("KERAS_BACKEND", "jax")
        import keras
    main(keras)
