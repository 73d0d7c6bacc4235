"""Files of Keras 3 and tf.keras: read as real Keras wrote them (files/), written and read again.

files/ was made by Keras 3.15.1 and tf_keras 2.21.0: models after three steps of training, saved, with what they predict
(`p`) and the losses of three steps more (`losses`).
"""

import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers as L
from graphc.frontend_keras.layers import Dense, Input
from graphc.frontend_keras.models import Model, Sequential, load_model, model_from_json
from graphc.frontend_keras.optimizers import SGD, Adadelta, Adam, Adamax, Nadam, RMSprop
from graphc.frontend_keras.saving.keras3 import snake_case

FILES = Path(__file__).parent / "files"
RANDOM = np.random.RandomState(0)
X, Y = RANDOM.rand(8, 4), RANDOM.rand(8, 2)

pytestmark = pytest.mark.filterwarnings("ignore:.*(epsilon inside|left out).*:UserWarning")


def recorded(writer, name):
    data = dict(np.load(FILES / writer / f"{name}.npz"))
    inputs = [data[key] for key in sorted(data) if key.startswith("x")]
    return inputs[0] if len(inputs) == 1 else inputs, data


@pytest.mark.parametrize(("writer", "file"), [
    ("keras3", "seqs.keras"), ("keras3", "nested.keras"), ("keras3", "nested.h5"), ("keras3", "cells.keras"),
    ("tf_keras", "seqs.keras"), ("tf_keras", "seqs.h5"), ("tf_keras", "nested.keras"), ("tf_keras", "nested.h5")])
def test_models_of_other_keras(writer, file):
    x, data = recorded(writer, file.split(".")[0])
    model = load_model(FILES / writer / file)
    np.testing.assert_allclose(model.predict(x), data["p"], rtol=1e-4, atol=1e-6)
    if (writer, file) != ("keras3", "seqs.keras"):  # Keras 3 normalises each step of TimeDistributed by itself
        losses = [np.ravel(model.train_on_batch(x, data["y"]))[0] for _ in range(3)]
        np.testing.assert_allclose(losses, data["losses"], rtol=1e-4)


def test_text_and_weights_of_keras_3():
    x, data = recorded("keras3", "words")
    model = model_from_json((FILES / "keras3" / "words.json").read_text())
    model.load_weights(FILES / "keras3" / "words.weights.h5")
    np.testing.assert_allclose(model.predict(x), data["p"], rtol=1e-4, atol=1e-6)
    with pytest.raises(ArgumentError, match="name no layers"):
        model.load_weights(FILES / "keras3" / "words.weights.h5", by_name=True)


def test_the_hard_sigmoid_is_that_of_the_writer():
    x, data = recorded("keras3", "nested")
    model = load_model(FILES / "keras3" / "nested.keras")
    assert "hard_sigmoid_keras3" in model.to_json()
    config = json.loads(model.to_json().replace("hard_sigmoid_keras3", "hard_sigmoid"))
    other = model_from_json(json.dumps(config))
    other.set_weights(model.get_weights())
    assert np.abs(other.predict(x) - data["p"]).max() > 1e-3


# ---- written here


def models():
    x = Input((5, 4))
    inner = Sequential([Dense(3, activation="tanh", input_shape=(4,)), L.BatchNormalization()], name="inner")
    h = L.Bidirectional(L.LSTM(2, return_sequences=True))(L.TimeDistributed(inner)(x))
    out, state = L.GRU(2, return_state=True, reset_after=True)(h)
    sequences = Model(x, Dense(2)(L.concatenate([L.GRU(2)(h, initial_state=state), out])))
    a, b = Input((4,)), Input((4,))
    f = Model(a, Dense(3, activation="hard_sigmoid")(a), name="f")
    c = Input((4,))
    nested = Model([b, c], Sequential([Dense(2, input_shape=(3,))], name="end")(L.add([f(b), f(c)])))
    images = Sequential([L.Conv2D(3, 3, padding="same", input_shape=(6, 6, 2)), L.LeakyReLU(0.2), L.SeparableConv2D(4, 3),
                         L.SpatialDropout2D(0.2), L.MaxPooling2D(), L.Flatten(), Dense(2, kernel_regularizer="l2")])
    cells = Sequential([L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True, input_shape=(5, 4)),
                        L.SimpleRNN(2, activation="hard_sigmoid")])
    return {"sequences": (sequences, RANDOM.rand(8, 5, 4)), "nested": (nested, [X, X[::-1]]),
            "images": (images, RANDOM.rand(8, 6, 6, 2)), "cells": (cells, RANDOM.rand(8, 5, 4))}


@pytest.mark.parametrize("name", ["sequences", "nested", "images", "cells"])
def test_written_and_read_again(name, tmp_path):
    model, x = models()[name]
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.warns(UserWarning, match="No training configuration"):
        again = load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)
    again.set_weights([w * 0 for w in again.get_weights()])
    again.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-6)
    assert sorted(os.listdir(tmp_path)) == ["m.keras", "m.weights.h5"]


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, momentum=0.9, nesterov=True), RMSprop(0.01), Adadelta(), Adam(0.1),
                                       Adam(0.1, amsgrad=True, clipnorm=0.5), Adam(0.1, decay=0.5),
                                       SGD(0.1, momentum=0.9, decay=0.1), Adamax(0.1), Nadam(0.1, schedule_decay=1.0)],
                         ids=lambda o: type(o).__name__)
def test_training_goes_on(optimizer, tmp_path):
    model = Sequential([Dense(3, activation="tanh", input_shape=(4,)), Dense(2)])
    model.compile(type(optimizer).from_config(optimizer.get_config()), "mse", metrics=["mae"], loss_weights=[0.5])
    for _ in range(3):
        model.train_on_batch(X, Y)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert again.metrics_names == model.metrics_names
    for _ in range(3):
        np.testing.assert_allclose(again.train_on_batch(X, Y), model.train_on_batch(X, Y), rtol=1e-6)


def test_an_optimizer_that_keeps_nothing_but_its_count(tmp_path):
    """A schedule gives the learning rate, and there are no slots."""
    model = Sequential([Dense(2, input_shape=(4,))])
    model.compile(SGD(0.1, decay=0.5), "mse")
    model.train_on_batch(X, Y)
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive, h5py.File(archive.open("model.weights.h5")) as file:
        assert list(file["optimizer/vars"]) == ["0"]
    again = load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.train_on_batch(X, Y), model.train_on_batch(X, Y))
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


def test_the_layout_of_an_archive(tmp_path):
    model, _ = models()["nested"]
    model.compile(Adam(decay=0.1), "mse")
    model.train_on_batch([X, X], Y)
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        config = json.loads(archive.read("config.json"))
        archive.extract("model.weights.h5", tmp_path)
    assert config["class_name"] == "Functional"
    rate = config["compile_config"]["optimizer"]["config"]["learning_rate"]
    assert rate["class_name"] == "InverseTimeDecay"  # lr / (1 + decay * step / decay_steps)
    assert rate["config"] == {"initial_learning_rate": np.float32(0.001), "decay_steps": 1, "decay_rate": np.float32(0.1),
                              "staircase": False, "name": "InverseTimeDecay"}
    add = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Add")
    assert [t["config"]["keras_history"] for t in add["inbound_nodes"][0]["args"][0]] == [["f", 0, 0], ["f", 1, 0]]
    assert config["config"]["output_layers"] == ["end", 0, 0]
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert file["layers/functional/layers/dense/vars/0"].shape == (4, 3)
        assert file["layers/sequential/layers/dense/vars/1"].shape == (2,)


def test_what_keras_3_lacks_is_refused_by_name(tmp_path):
    for layer in (L.Lambda(lambda x: x * 2, name="own"), L.ThresholdedReLU(name="own"),
                  L.Activation("hard_sigmoid", name="own")):
        model = Sequential([Dense(3, input_shape=(4,)), layer])
        with pytest.raises(ModelFormatError, match="own: Keras 3 (has no layer|computes another hard_sigmoid)"):
            model.save(tmp_path / "m.keras")
    assert "m.keras" not in os.listdir(tmp_path)


def test_what_is_no_archive(tmp_path):
    path = tmp_path / "m.keras"
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(ModelFormatError, match="not an archive"):
        load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ModelFormatError, match=r"holds no metadata\.json"):
        load_model(path)
    model = Sequential([Dense(3, input_shape=(4,))])
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part.replace(b'"units": 3', b'"units": 4'))
    with pytest.raises(ShapeError, match=r"layers/dense/vars, .*expected \(4, 4\); got \(4, 3\)"):
        load_model(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part if name != "model.weights.h5" else part + bytes(1 << 27))
    assert path.stat().st_size < 1 << 20
    K.clear_session()


@pytest.mark.parametrize(("name", "way"), [("Conv2D", "conv2d"), ("MaxPooling2D", "max_pooling2d"), ("LSTM", "lstm"),
                                           ("ConvLSTM2D", "conv_lstm2d"), ("LSTMCell", "lstm_cell"), ("ELU", "elu"),
                                           ("BatchNormalization", "batch_normalization"), ("PReLU", "p_re_lu")])
def test_classes_as_ways(name, way):
    assert snake_case(name) == way
