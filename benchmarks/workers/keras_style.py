"""Every Keras: the same calls on whatever module is named.

The first argument is tf_keras, or a backend of Keras 3: jax, tensorflow, torch. graphc_side.py uses `prepare`
for graphc.
"""

import functools
import importlib
import os
import sys
from typing import Any

import numpy as np

from benchmarks.models import CASES, data
from benchmarks.workers.protocol import THREADS, Prepared, serve

QUIET = {"verbose": 0}


def prepare(keras: Any, name: str) -> tuple[Prepared, Any]:
    """What to time on a model built by `keras`, and the model.

    The data of fit and predict are made when they are first needed: a first step's memory does not hold them.
    """
    case = CASES[name]
    xs, targets = data(case, case.batch)
    model = case.build(keras)
    model.compile(loss=case.loss, optimizer="rmsprop", metrics=["accuracy"])
    batch, one, steps = _given(xs), _given([a[:1] for a in xs]), -(-case.rows // case.batch)
    learnt = sum(int(np.prod(tuple(weight.shape))) for weight in model.trainable_weights)

    @functools.cache
    def whole() -> tuple[Any, np.ndarray]:
        x, y = data(case, case.rows)
        return _given(x), y

    def step() -> Any:
        return np.ravel(model.train_on_batch(batch, targets))[0]

    calls = {
        "train": (lambda: model.train_on_batch(batch, targets), 1),
        "fit": (lambda: model.fit(*whole(), batch_size=case.batch, epochs=1, **QUIET), steps),
        "predict": (lambda: model.predict(whole()[0], batch_size=case.batch, **QUIET), steps),
        "predict_one": (lambda: model.predict(one, **QUIET), 1),
        "infer": (lambda: model.predict_on_batch(batch), 1),
        "infer_one": (lambda: model.predict_on_batch(one), 1),
    }
    return Prepared(step, calls, learnt), model


def _given(arrays: list[np.ndarray]) -> Any:
    return arrays if len(arrays) > 1 else arrays[0]


def _threads_of(backend: str) -> None:
    if backend in ("tensorflow", "tf_keras"):
        threading = importlib.import_module("tensorflow").config.threading
        threading.set_intra_op_parallelism_threads(THREADS)
    elif backend == "torch":
        importlib.import_module("torch").set_num_threads(THREADS)


def main(backend: str) -> None:
    if backend != "tf_keras":
        os.environ["KERAS_BACKEND"] = backend
    _threads_of(backend)
    keras = importlib.import_module("tf_keras" if backend == "tf_keras" else "keras")
    under = {"tf_keras": "tensorflow"}.get(backend, backend)
    serve(lambda name: prepare(keras, name)[0], f"{keras.__version__}, {under} {sys.modules[under].__version__}")


if __name__ == "__main__":
    main(sys.argv[1])
