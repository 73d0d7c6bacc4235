"""graphc and every Keras: the same calls on whatever module is named.

The argument is graphc, tf_keras, or a backend of Keras 3: jax, tensorflow, torch.
"""

import importlib
import os
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.measure import fastest
from benchmarks.models import MODELS
from benchmarks.workers.protocol import serve

NAME = sys.argv[1]
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if NAME in ("jax", "tensorflow", "torch"):
    os.environ["KERAS_BACKEND"] = NAME
MODULE = {"graphc": "graphc.frontend_keras", "tf_keras": "tf_keras"}.get(NAME, "keras")
KERAS = importlib.import_module(MODULE)


def prepare(name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model, x, y, loss, batch = MODELS[name](KERAS)
    model.compile(loss=loss, optimizer="rmsprop", metrics=["accuracy"])
    steps = -(-len(x) // batch)
    xb, yb, one = x[:batch], y[:batch], x[:1]
    quiet = {"verbose": 0}
    calls = {
        "train_on_batch": (lambda: model.train_on_batch(xb, yb), 1),
        "fit_step": (lambda: model.fit(x, y, batch_size=batch, epochs=1, **quiet), steps),
        "predict_step": (lambda: model.predict(x, batch_size=batch, **quiet), steps),
        "predict_on_batch": (lambda: model.predict_on_batch(xb), 1),
        "predict_one": (lambda: model.predict(one, **quiet), 1),
    }
    if NAME == "graphc":
        backend = KERAS.backend
        function = backend.function([model.inputs[0]], [model.outputs[0]])
        identity = backend.function([model.inputs[0]], [model.inputs[0] + 1])
        small = x[:1, :]
        calls["function"] = (lambda: function([xb]), 1)
        calls["function_one"] = (lambda: function([one]), 1)
        calls["function_overhead"] = (lambda: identity([small]), 1)
    for call, _ in calls.values():
        call()

    def measure(seconds):
        figures = {key: fastest(call, seconds / len(calls)) / count for key, (call, count) in calls.items()}
        figures["peak_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        return figures

    return measure


serve(prepare, getattr(KERAS, "__version__", "?"))
