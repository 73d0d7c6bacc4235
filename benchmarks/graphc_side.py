"""The worker of graphc: Keras's calls, K.function, and what the memory planner says.

What does not live here: the calls that every Keras shares (workers/keras_style.py).
"""

from typing import Any

import graphc
from benchmarks.models import CASES, data
from benchmarks.workers import keras_style
from benchmarks.workers.protocol import Prepared, serve
from graphc import frontend_keras as keras


def prepare(name: str) -> Prepared:
    """Adds to Keras's calls: infer and infer_one as compiled functions, and the cost of calling one at all."""
    case = CASES[name]
    ready, model = keras_style.prepare(keras, name)
    K = keras.backend
    batch, one = ([a[:count] for a in data(case, case.batch)[0]] for count in (case.batch, 1))
    infer = K.function(model.inputs, model.outputs)
    small = K.placeholder((1,))
    add_one, number = K.function([small], [small + 1]), data(CASES["mlp"], 1)[0][0][0, :1]
    calls = dict(ready.calls)
    calls["predict_on_batch"], calls["predict_on_batch_one"] = calls["infer"], calls["infer_one"]
    calls["infer"] = (lambda: infer(batch), 1)
    calls["infer_one"] = (lambda: infer(one), 1)
    calls["call"] = (lambda: add_one([number]), 1)
    return Prepared(ready.step, calls, ready.parameters, lambda: _planned(model, case.batch))


def _planned(model: Any, batch: int) -> dict[str, float]:
    """What the planner says a training step needs, beside weights and data."""
    executable = model._function("train").executable
    names = {str(dim) for value in executable.graph.inputs for dim in value.type.shape if not isinstance(dim, int)}
    return {"planned_mib": executable.memory(**dict.fromkeys(names, batch)) / 2**20}


if __name__ == "__main__":
    serve(prepare, graphc.__version__)
