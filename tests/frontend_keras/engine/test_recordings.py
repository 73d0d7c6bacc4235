"""What real Keras computed, computed again: predictions, losses, gradients, training. See recordings/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras import optimizers
from graphc.frontend_keras.models import model_from_json

FOLDER = Path(__file__).parent / "recordings"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))
STEMS = ["model", "keras224"]


class Recording:
    def __init__(self, name):
        self.text = json.loads((FOLDER / f"{name}.json").read_text())
        with np.load(FOLDER / f"{name}.npz") as arrays:
            self.arrays = {key: arrays[key] for key in arrays.files}

    def model(self, architecture):
        model = model_from_json(json.dumps(self.text[architecture]))
        for layer in model.layers:
            names = [f"weight/{layer.name}/{i}" for i in range(len(layer.weights))]
            layer.set_weights([self.arrays[name] for name in names])
        return model

    def compiled(self, architecture):
        model, how = self.model(architecture), self.text["compile"]
        optimizer = getattr(optimizers, how["optimizer"]["class_name"])(**how["optimizer"]["config"])
        model.compile(optimizer, loss=how["loss"], metrics=how["metrics"])
        return model

    def training(self, stem):
        """The architecture that was trained: without dropout."""
        name = stem.replace("model", "train") if stem == "model" else "keras224_train"
        return name if name in self.text else stem


def close(got, want, rtol=1e-3, atol=1e-5):
    np.testing.assert_allclose(np.asarray(got, np.float64), np.asarray(want, np.float64), rtol=rtol, atol=atol)


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("case", CASES)
def test_predictions(case, stem):
    recording = Recording(case)
    close(recording.model(stem).predict(recording.arrays["predict/x0"]), recording.arrays["outputs/p0"], 1e-4)


@pytest.mark.parametrize("case", CASES)
def test_losses_and_metrics_of_a_batch(case):
    recording = Recording(case)
    model = recording.compiled("model")
    got = model.test_on_batch(recording.arrays["train/x0"][0], recording.arrays["train/y0"][0])
    close(got, recording.arrays["outputs/eval"])


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_the_total_loss(case):
    recording = Recording(case)
    model = recording.compiled(recording.training("model"))
    places = [(layer, i) for layer in model.layers for i in range(len(layer.trainable_weights))]
    grads = K.gradients(model.total_loss, [layer.trainable_weights[i] for layer, i in places])
    f = K.function([*model.inputs, *model.targets, *model.sample_weights, K.learning_phase()],
                   [*grads, model.total_loss])
    x, y = recording.arrays["train/x0"][0], recording.arrays["train/y0"][0]
    *got, loss = f([x, y, np.ones(len(x)), 1])
    close(loss, recording.arrays["outputs/grad_loss"])
    for (layer, i), grad in zip(places, got, strict=True):
        want = recording.arrays[f"outputs/g/{layer.name}/{i}"]
        close(grad, want, 1e-3, 1e-7 + 1e-4 * np.abs(want).max())


def check_training(recording, stem, train):
    model = recording.compiled(recording.training(stem))
    losses = train(model, recording.arrays["train/x0"], recording.arrays["train/y0"])
    close(losses, recording.arrays["train/fresh_loss"])
    for layer in model.layers:
        for i, value in enumerate(layer.get_weights()):
            close(value, recording.arrays[f"train/fresh_w/{layer.name}/{i}"])


def by_steps(model, xs, ys):
    return [model.train_on_batch(x, y) for x, y in zip(xs, ys, strict=True)]


def by_fit(model, xs, ys):
    """One epoch for each batch, so that History holds the numbers of the steps."""
    found = [model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0).history
             for x, y in zip(xs, ys, strict=True)]
    return [[history["loss"][0], history["acc"][0]] for history in found]


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("case", CASES)
def test_training_steps(case, stem):
    check_training(Recording(case), stem, by_steps)


def test_training_by_fit():
    check_training(Recording("mlp_binary"), "model", by_fit)


def test_training_on_the_cpu_in_one_native_call():
    K.set_target("cpu")
    recording = Recording("functional_mlp")
    model = recording.compiled("model")
    x, y = (recording.arrays[name].reshape(-1, *recording.arrays[name].shape[2:]) for name in ("train/x0", "train/y0"))
    history = model.fit(x, y, batch_size=8, shuffle=False, verbose=0).history
    close([history["loss"][0], history["acc"][0]], recording.arrays["train/fresh_loss"].mean(axis=0))
    for layer in model.layers:
        for i, value in enumerate(layer.get_weights()):
            close(value, recording.arrays[f"train/fresh_w/{layer.name}/{i}"])
