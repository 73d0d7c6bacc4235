"""Whole training steps and predictions of benchmark models on the lockstep device, beside the CPU target.

What does not live here: vgg and conv1d, whose kernels tests/codegen_cuda/test_models.py runs block by block.
"""

import numpy as np
import pytest

from benchmarks.models import CASES, data
from graphc import frontend_keras as keras
from graphc.runtime_cuda.device import using
from graphc.runtime_cuda.lockstep_device import LockstepDevice

K = keras.backend


@pytest.mark.parametrize(("model", "rows", "steps"), [
    ("func784", 5, 2),  # the second step is a replay
    pytest.param("mlp", 40, 2, marks=pytest.mark.slow), pytest.param("stacked", 3, 2, marks=pytest.mark.slow),
    pytest.param("lstm", 2, 1, marks=pytest.mark.slow), pytest.param("shared", 2, 1, marks=pytest.mark.slow)])
def test_steps_and_a_prediction(on, model, rows, steps):
    case = CASES[model]
    xs, y = data(case, rows)
    found = {}
    for target in ("cpu", "cuda"):
        K.clear_session()
        on(target)
        np.random.seed(0)
        with using(LockstepDevice()):
            network = case.build(keras)
            network.compile(loss=case.loss, optimizer="rmsprop", metrics=["accuracy"])
            rng = np.random.default_rng(0)
            network.set_weights([(rng.normal(size=w.shape) / max(w.shape[0], 4) ** 0.5).astype("f4")
                                 for w in network.get_weights()])
            losses = [network.train_on_batch(xs, y)[0] for _ in range(steps)]
            found[target] = [np.array(losses), network.predict(xs)]
    for a, b in zip(found["cpu"], found["cuda"], strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=2e-5)  # RMSprop divides by the roots of small squares
