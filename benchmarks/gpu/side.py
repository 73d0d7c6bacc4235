"""The worker of graphc on a GPU: steps on data that lies there, as many as the peers make at a time."""

import os
from typing import Any

import numpy as np

import graphc
from benchmarks.models import case_of, data
from benchmarks.workers.protocol import STEPS, Prepared, serve
from graphc import frontend_keras as keras


def prepare(name: str) -> Prepared:
    case = case_of(name)
    xs, targets = data(case, case.batch)
    model = case.build(keras)
    model.compile(loss=case.loss, optimizer="rmsprop", metrics=["accuracy"])
    learnt = sum(int(np.prod(tuple(weight.shape))) for weight in model.trainable_weights)
    inputs, outputs, _ = model._data(xs, targets, None, None)
    train, infer = model._function("train"), model._function("predict")

    def steps(function: Any, arrays: list[Any]) -> Any:
        return function.run_steps(arrays, STEPS, [False] * len(arrays))[0]

    one = [a[:1] for a in inputs]
    calls = {"train": (lambda: steps(train, [*inputs, *outputs]), STEPS),
             "infer": (lambda: steps(infer, inputs), STEPS), "infer_one": (lambda: steps(infer, one), STEPS)}
    return Prepared(lambda: model.train_on_batch(xs, targets), calls, learnt)


if __name__ == "__main__":
    keras.backend.set_target(os.environ.get("GRAPHC_TARGET", "cuda"))
    keras.backend.set_precision({"float32": "default"}.get(os.environ["BENCHMARK_PRECISION"],
                                                           os.environ["BENCHMARK_PRECISION"]))
    serve(prepare, graphc.__version__)
