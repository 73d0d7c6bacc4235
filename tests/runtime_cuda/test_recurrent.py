"""Recurrent networks on a device: training and predictions of the CPU target, the loops as one kernel or in steps."""

import numpy as np
import pytest

from graphc import frontend_keras as keras
from graphc.codegen_cuda import scans
from graphc.runtime_cuda.device import using
from graphc.runtime_cuda.lockstep_device import LockstepDevice

K, layers = keras.backend, keras.layers
NETWORKS = {
    "lstm": lambda: [layers.LSTM(5, input_shape=(4, 3))],
    "lstm with sigmoid gates, backwards": lambda: [
        layers.LSTM(5, recurrent_activation="sigmoid", go_backwards=True, input_shape=(4, 3))],
    "gru that is reset after": lambda: [layers.GRU(5, reset_after=True, input_shape=(4, 3))],
    "simple": lambda: [layers.SimpleRNN(5, input_shape=(4, 3))],
    "stacked, with dropout": lambda: [
        layers.LSTM(5, return_sequences=True, dropout=0.2, recurrent_dropout=0.3, input_shape=(4, 3)), layers.GRU(4)],
    "in both directions": lambda: [layers.Bidirectional(layers.LSTM(3), input_shape=(4, 3))],
    "masked": lambda: [layers.Masking(input_shape=(4, 3)), layers.LSTM(4)],
    "words": lambda: [layers.Embedding(6, 3, mask_zero=True, input_length=4), layers.GRU(4)],
}


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("network", NETWORKS)
def test_training_is_that_of_the_cpu(on, network, together, monkeypatch):
    if not together:
        monkeypatch.setattr(scans, "READ_BY_A_LAUNCH", 0)
    rng = np.random.default_rng(2)
    x = rng.integers(0, 6, (6, 4)) if network == "words" else rng.normal(size=(6, 4, 3)).astype("f4")
    if network == "masked":
        x[1, 2:] = x[4, :] = 0
    y = rng.normal(size=(6, 1)).astype("f4")
    found = {}
    for target in ("cpu", "cuda"):
        K.clear_session()
        on(target)
        np.random.seed(4)
        with using(LockstepDevice()):
            model = keras.models.Sequential([*NETWORKS[network](), layers.Dense(1)])
            model.compile(loss="mse", optimizer="adam")
            draw = np.random.default_rng(5)
            model.set_weights([draw.normal(size=w.shape).astype("f4") / 2 for w in model.get_weights()])
            losses = [model.train_on_batch(x, y) for _ in range(3)]
            found[target] = [np.array(losses), model.predict(x), *model.get_weights()]
    for a, b in zip(found["cpu"], found["cuda"], strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)  # Adam divides small gradients by small roots
