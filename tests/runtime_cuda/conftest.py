"""Models on devices that are none."""

import numpy as np
import pytest

from graphc import frontend_keras as keras
from graphc.runtime_cuda import forms
from graphc.runtime_cuda.device import using
from graphc.runtime_cuda.lockstep_device import LockstepDevice
from graphc.runtime_cuda.recording import RecordingDevice

K = keras.backend


@pytest.fixture
def on():
    """Functions of the frontend are compiled for this target from now on."""
    before = K.target()
    yield K.set_target
    K.set_target(before)


@pytest.fixture
def recording(on):
    on("cuda")
    with using(RecordingDevice()) as device:
        yield device


@pytest.fixture
def lockstep(on):
    on("cuda")
    with using(LockstepDevice()) as device:
        yield device


@pytest.fixture
def always(monkeypatch):
    """However small a product or a convolution is, the library computes it."""
    monkeypatch.setattr(forms, "LEAST_WORK", 0)


@pytest.fixture
def classifier():
    """A small model with dropout and momentum, always with the same weights."""
    def build(inputs=6, optimizer="adam"):
        np.random.seed(3)
        layers = keras.layers
        model = keras.models.Sequential([
            layers.Dense(8, activation="relu", input_shape=(inputs,)), layers.Dropout(0.5),
            layers.Dense(3, activation="softmax")])
        model.compile(loss="categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])
        rng = np.random.default_rng(0)
        model.set_weights([rng.normal(size=w.shape).astype("f4") for w in model.get_weights()])
        return model

    return build


@pytest.fixture
def samples():
    """Inputs and targets for it."""
    def draw(count, inputs=6):
        rng = np.random.default_rng(1)
        return rng.normal(size=(count, inputs)).astype("f4"), np.eye(3, dtype="f4")[rng.integers(3, size=count)]

    return draw
