"""Files of real Keras: predictions, gradients and training as real Keras computes them; see README.md in this folder."""

import json
from pathlib import Path

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras import optimizers
from graphc.frontend_keras.models import load_model, model_from_json
from graphc.frontend_keras.utils.generic_utils import to_list

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.name for path in CASES.iterdir() if path.name != "keras3")
WRITERS = ("model", "keras224")
CLOSE, LOSSES = {"rtol": 1e-4, "atol": 1e-5}, {"rtol": 1e-3, "atol": 1e-5}

pytestmark = pytest.mark.filterwarnings("ignore:.*(key|optimizer in this file|No training).*:UserWarning")


@pytest.fixture(autouse=True)
def fresh_session():
    K.clear_session()
    yield
    K.set_image_data_format("channels_last")
    K.clear_session()


class Case:
    def __init__(self, name, writer):
        self.folder = CASES / name
        self.meta = json.loads((self.folder / "meta.json").read_text())
        self.h5 = self.folder / f"{writer}.h5"
        self.text = (self.folder / f"{writer}.json").read_text()
        self.train_text = self.folder / ("train.json" if writer == "model" else "keras224_train.json")
        self.outputs, self.train, inputs = (dict(np.load(self.folder / f"{part}.npz"))
                                            for part in ("outputs", "train", "inputs"))
        self.inputs, self.predictions = numbered(inputs, "x"), numbered(self.outputs, "p")
        self.training = self.meta["training"]

    def predict(self, model):
        batches = self.meta["predict_batches"]
        if not batches:
            return to_list(model.predict(one(self.inputs)))
        model.reset_states()
        made = [model.predict(one([x[i] for x in self.inputs]), batch_size=self.training["batch"]) for i in range(batches)]
        model.reset_states()
        return [np.stack(made)]

    def batch(self, step, letter="x"):
        return [array[step] for array in numbered(self.train, letter)]

    def feed(self, step):
        """(x, y, sample_weight, class_weight) of one step."""
        x, y = self.batch(step), self.batch(step, "y")
        weights = self.batch(step, "sw") if step in self.training["sample_weight_steps"] else None
        classes = {int(k): v for k, v in self.training["class_weight"].items()} \
            if step in self.training["class_weight_steps"] else None
        if self.meta["feed"] == "dict":
            names = [output["name"] for output in self.meta["outputs"]]
            x = dict(zip((entry["name"] for entry in self.meta["inputs"]), x, strict=True))
            return x, dict(zip(names, y, strict=True)), weights and dict(zip(names, weights, strict=True)), classes
        return one(x), one(y), weights and one(weights), classes

    def steps(self, model, first=0, last=None):
        last = self.training["steps"] if last is None else last
        return np.array([np.ravel(model.train_on_batch(*self.feed(step))) for step in range(first, last)])

    def check_weights(self, model, before, prefix):
        """Each weight, and how far it moved: to a hundredth of its largest move."""
        for key, wanted in self.train.items():
            if key.startswith(prefix + "/"):
                place = key.removeprefix(prefix + "/")
                loose = self.meta["loose"].get(place)
                found = weights_of(model)[place]
                np.testing.assert_allclose(found, wanted, rtol=loose or 1e-3, atol=1e-5, err_msg=place)
                if loose is None and wanted.size:
                    moved = wanted.astype(float) - before[place]
                    np.testing.assert_allclose(found.astype(float) - before[place], moved, rtol=0,
                                               atol=1e-5 + 1e-2 * np.abs(moved).max(), err_msg=place)


def numbered(arrays, letter):
    return [arrays[f"{letter}{i}"] for i in range(len(arrays)) if f"{letter}{i}" in arrays]


def one(arrays):
    return arrays[0] if len(arrays) == 1 else arrays


def weights_of(model):
    return {f"{layer.name}/{i}": w for layer in model.layers for i, w in enumerate(layer.get_weights())}


def assert_close(found, wanted, **tolerance):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, **tolerance)


def loaded(case):
    model = load_model(case.h5)
    if case.meta["stateful"]:
        model.reset_states()
    return model


EVERY = pytest.mark.parametrize(("name", "writer"), [(name, writer) for name in NAMES for writer in WRITERS])


@EVERY
def test_predictions_and_losses(name, writer):
    case = Case(name, writer)
    model = loaded(case)
    assert_close(case.predict(model), case.predictions, **CLOSE)
    x, y, _, _ = case.feed(0)
    np.testing.assert_allclose(np.ravel(model.test_on_batch(x, y)), case.outputs["eval"], **LOSSES)
    again = model_from_json(case.text)
    again.load_weights(case.h5)
    assert_close(case.predict(again), case.predictions, **CLOSE)


@EVERY
def test_gradients(name, writer):
    case = Case(name, writer)
    model = loaded(case)
    weights = [(f"{layer.name}/{i}", w) for layer in model.layers for i, w in enumerate(layer.trainable_weights)]
    ones = [np.ones(y.shape[:K.ndim(w)]) for y, w in zip(case.batch(0, "y"), model.sample_weights, strict=True)]
    function = K.function([*model.inputs, *model.targets, *model.sample_weights, K.learning_phase()],
                          [model.total_loss, *K.gradients(model.total_loss, [w for _, w in weights])])
    loss, *gradients = function([*case.batch(0), *case.batch(0, "y"), *ones, case.meta["gradients"]["learning_phase"]])
    np.testing.assert_allclose(loss, case.outputs["grad_loss"], **LOSSES)
    assert {f"g/{place}" for place, _ in weights} == {key for key in case.outputs if key.startswith("g/")}
    for (place, _), gradient in zip(weights, gradients, strict=True):
        wanted = case.outputs[f"g/{place}"]
        np.testing.assert_allclose(gradient, wanted, rtol=1e-3, atol=1e-7 + 1e-4 * np.abs(wanted).max(), err_msg=place)


@EVERY
def test_training_goes_on(name, writer):
    case = Case(name, writer)
    if writer not in case.training["resumed_from"]:
        assert case.train_text.exists(), "only a case with dropout is not resumed"
        return
    model = loaded(case)
    before = weights_of(model)
    np.testing.assert_allclose(case.steps(model), case.train["loss"], **LOSSES)
    case.check_weights(model, before, "w")


@pytest.mark.slow  # each of these parts is tested by itself
@EVERY
def test_training_with_a_new_optimizer(name, writer):
    case = Case(name, writer)
    assert case.training["recorded"]
    model = model_from_json(case.train_text.read_text() if case.training["architecture"] == "train.json" else case.text)
    model.load_weights(case.h5)
    before, how = weights_of(model), dict(case.meta["compile"])
    optimizer = how.pop("optimizer")
    model.compile(getattr(optimizers, optimizer["class_name"])(**optimizer["config"]), **how)
    if case.meta["stateful"]:
        model.reset_states()
    np.testing.assert_allclose(case.steps(model), case.train["fresh_loss"], **LOSSES)
    case.check_weights(model, before, "fresh_w")


@EVERY
def test_saved_again(name, writer, tmp_path):
    case = Case(name, writer)
    model = loaded(case)
    resumed = writer in case.training["resumed_from"] and not case.meta["stateful"]
    losses = case.steps(model, 0, 3) if resumed else None
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    assert_close(case.predict(again), case.predict(model), rtol=1e-5, atol=1e-6)
    if resumed:
        np.testing.assert_allclose([*losses, *case.steps(again, 3, 6)], case.train["loss"][:6], **LOSSES)


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.json"])
def test_keras_3(name):
    folder = CASES / "keras3"
    if name == "model.json":
        model = model_from_json((folder / name).read_text())
        model.load_weights(folder / "model.h5")
    else:
        model = load_model(folder / name)
    inputs, outputs = (dict(np.load(folder / f"{part}.npz")) for part in ("inputs", "outputs"))
    assert_close(model.predict(numbered(inputs, "x")), numbered(outputs, "p"), **CLOSE)
