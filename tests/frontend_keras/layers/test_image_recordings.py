"""What real Keras computed with models of images, computed again. See recordings/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras import optimizers
from graphc.frontend_keras.models import model_from_json

FOLDER = Path(__file__).parent / "recordings"
CASES = sorted(path.stem for path in FOLDER.glob("*.json"))


class Recording:
    def __init__(self, name):
        self.text = json.loads((FOLDER / f"{name}.json").read_text())
        with np.load(FOLDER / f"{name}.npz") as arrays:
            self.arrays = {key: arrays[key] for key in arrays.files}

    def several(self, prefix):
        """The arrays prefix0, prefix1, ..."""
        return [self.arrays[key] for key in sorted(self.arrays) if key.startswith(prefix)]

    def compiled(self, architecture="model"):
        model, how = model_from_json(json.dumps(self.text[architecture])), self.text["compile"]
        for layer in model.layers:
            layer.set_weights([self.arrays[f"weight/{layer.name}/{i}"] for i in range(len(layer.weights))])
        optimizer = getattr(optimizers, how["optimizer"]["class_name"])(**how["optimizer"]["config"])
        model.compile(optimizer, loss=how["loss"], metrics=how["metrics"])
        return model

    def trained(self):
        """The model that was trained: without dropout."""
        return self.compiled("train" if "train" in self.text else "model")


def close(got, want, rtol=1e-3, atol=1e-5):
    np.testing.assert_allclose(np.asarray(got, np.float64).ravel(), np.asarray(want, np.float64).ravel(), rtol=rtol,
                               atol=atol)


@pytest.mark.parametrize("case", CASES)
def test_predictions_of_both_ways_to_write_the_architecture(case):
    recording = Recording(case)
    for architecture in ("model", "keras224"):
        K.clear_session()
        close(recording.compiled(architecture).predict(recording.several("predict/x")),
              recording.arrays["outputs/p0"], 1e-4)


@pytest.mark.parametrize("case", CASES)
def test_predictions_on_the_cpu(case):
    K.set_target("cpu")
    recording = Recording(case)
    close(recording.compiled().predict(recording.several("predict/x")), recording.arrays["outputs/p0"], 1e-4)


@pytest.mark.parametrize("case", CASES)
def test_losses_and_metrics_of_a_batch(case):
    recording = Recording(case)
    xs, ys = ([x[0] for x in recording.several(f"train/{name}")] for name in "xy")
    close(recording.compiled().test_on_batch(xs, ys), recording.arrays["outputs/eval"])


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_the_total_loss(case):
    recording = Recording(case)
    model = recording.trained()
    places = [(layer, i) for layer in model.layers for i in range(len(layer.trainable_weights))]
    grads = K.gradients(model.total_loss, [layer.trainable_weights[i] for layer, i in places])
    f = K.function([*model.inputs, *model.targets, *model.sample_weights, K.learning_phase()],
                   [*grads, model.total_loss])
    xs, ys = ([x[0] for x in recording.several(f"train/{name}")] for name in "xy")
    *got, loss = f([*xs, *ys, np.ones(len(xs[0])), 1])
    close(loss, recording.arrays["outputs/grad_loss"])
    for (layer, i), grad in zip(places, got, strict=True):
        want = recording.arrays[f"outputs/g/{layer.name}/{i}"]
        close(grad, want, 1e-3, 1e-7 + 1e-4 * np.abs(want).max())


@pytest.mark.parametrize("case", CASES)
def test_losses_of_training_steps(case):
    recording = Recording(case)
    model = recording.trained()
    steps = zip(*recording.several("train/x"), *recording.several("train/y"), strict=True)
    count = len(model.inputs)
    close([model.train_on_batch(list(step[:count]), list(step[count:])) for step in steps],
          recording.arrays["train/fresh_loss"])


@pytest.mark.parametrize("case", ["conv1d_stack", "inception_tower"])
def test_training_on_the_cpu_in_one_native_call(case):
    K.set_target("cpu")
    recording = Recording(case)
    model = recording.trained()
    xs, ys = ([x.reshape(-1, *x.shape[2:]) for x in recording.several(f"train/{name}")] for name in "xy")
    size = recording.arrays["train/x0"].shape[1]
    history = model.fit(xs, ys, batch_size=size, shuffle=False, verbose=0).history
    close(history["loss"], recording.arrays["train/fresh_loss"][:, 0].mean())
