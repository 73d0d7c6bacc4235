"""Commands on Keras-style models: JSON, YAML, HDF5, stdin; inference and the whole training step."""

import io
import json

import h5py
import numpy as np
import pytest

from graphc.cli.models import layers_of
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense, Dropout, Input, add
from graphc.frontend_keras.models import Model, Sequential
from graphc.ir.parser import parse
from graphc.ir.verify import verify

TRAINING = {"optimizer_config": {"class_name": "SGD", "config": {"lr": 0.5}}, "loss": "mse", "metrics": []}


@pytest.fixture(scope="module")
def model():
    K.clear_session()
    return Sequential([Dense(5, activation="relu", input_dim=4, name="first"), Dropout(0.5, name="drop"),
                       Dense(3, activation="softmax", name="last")], name="net")


@pytest.fixture
def path(model, tmp_path):
    file = tmp_path / "model.json"
    file.write_text(model.to_json())
    return file


def h5_file(path, **attributes):
    with h5py.File(path, "w") as file:
        for name, value in attributes.items():
            file.attrs[name] = value
    return path


def operations(text):
    graph = parse(text)
    verify(graph)
    return {op.name for op in graph.ops}


def test_lowered_is_inference(graphc, path):
    text = graphc("dump-ir", path).out
    assert text.startswith("graph net(%first_input: f32[B,4], %first_kernel: f32[4,5], ")
    assert operations(text) == {"matmul", "broadcast", "add", "relu", "softmax"}
    assert "# first\n" in text


def test_every_form_of_a_model_is_the_same(graphc, model, path, tmp_path, monkeypatch):
    text = graphc("dump-ir", path).out
    (tmp_path / "model.yaml").write_text(model.to_yaml())
    h5_file(tmp_path / "text.h5", model_config=model.to_json())
    h5_file(tmp_path / "bytes.hdf5", model_config=np.bytes_(model.to_json()))
    for name in ("model.yaml", "text.h5", "bytes.hdf5"):
        assert graphc("dump-ir", tmp_path / name) == (0, text, "")
    for name in ("model.json", "model.yaml", "text.h5"):
        content = (tmp_path / name).read_bytes()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert graphc("dump-ir", "-").out == text


def test_the_model_itself(graphc, model, path):
    assert json.loads(graphc("dump-ir", path, "--stage", "model").out) == json.loads(model.to_json())
    drawing = graphc("dump-ir", path, "--stage", "model", "--format", "dot").out
    assert 'n1 [label="drop: Dropout"];\n  n0 -> n1;' in drawing


def test_layers_and_their_sources():
    x = Input((4,), name="x")
    y = Dense(4, name="y")(x)
    architecture = json.loads(Model(x, add([x, y], name="both")).to_json())
    assert layers_of(architecture) == [("x", "InputLayer", []), ("y", "Dense", ["x"]), ("both", "Add", ["x", "y"])]


@pytest.mark.parametrize("options", [["--train"], ["--stage", "train"]])
def test_the_training_step(graphc, path, options):
    first, again = (graphc("dump-ir", path, *options, "--loss", "mse", "--optimizer", "adam").out for _ in range(2))
    assert first == again
    graph = parse(first)
    verify(graph)
    assert {"random_mask", "sqrt", "matmul"} <= {op.name for op in graph.ops}
    updated = {graph.inputs[state].hint for _, state in graph.donations}
    assert {"first_kernel", "first_bias", "last_kernel", "last_bias", "Adam_iterations"} <= updated


@pytest.mark.parametrize("stage", ["optimized", "fused", "kernels", "source"])
def test_the_training_step_at_other_stages(graphc, path, stage):
    status, out, err = graphc("dump-ir", path, "--train", "--loss", "mse", "--batch", 8, "--stage", stage)
    assert (status, err) == (0, "")
    assert "B," not in out


def test_a_compiled_file_brings_its_own_training(graphc, model, tmp_path):
    file = h5_file(tmp_path / "m.h5", model_config=model.to_json(), training_config=json.dumps(TRAINING))
    text = graphc("dump-ir", file, "--train").out
    assert "%SGD_lr: f32[]" in text
    assert "%Adam_lr: f32[]" in graphc("dump-ir", file, "--train", "--optimizer", "adam").out
    bad = h5_file(tmp_path / "bad.h5", model_config=model.to_json(), training_config='{"loss": 3}')
    status, out, err = graphc("dump-ir", bad)
    assert (status, out[:5]) == (0, "graph")
    assert err.startswith("graphc: warning: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("options", [["--train"], ["--loss", "mse"], ["--train", "--loss", "nonsense"],
                                     ["--train", "--loss", "mse", "--optimizer", "nonsense"]])
def test_bad_training_is_one_line(graphc, path, options):
    status, out, err = graphc("dump-ir", path, *options)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "internal" not in err


@pytest.mark.parametrize("options", [[], ["--train", "--loss", "categorical_crossentropy"],
                                     ["--train", "--loss", "mse", "--optimizer", "rmsprop", "--batch", 7]])
def test_check(graphc, path, options):
    status, out, err = graphc("check", path, *options)
    assert err == ""
    assert status == 0, out
    assert "first" in out


def test_checking_is_reproducible(graphc, path, tmp_path):
    reports = []
    for seed in (3, 3, 4):
        graphc("check", path, "--seed", seed, "--target", "reference", "--json", tmp_path / "r.json")
        reports.append(json.loads((tmp_path / "r.json").read_text())["values"])
    assert reports[0] == reports[1] != reports[2]


HOSTILE_TEXT = ["", "{", "[]", "null", "{}", '{"class_name": "Model"}', '{"class_name": "os.system", "config": {}}',
                '{"class_name": "Sequential", "config": 3}', "[" * 100_000, '{"a":' * 50_000, "\ufeff{}", "{\x00}"]


@pytest.mark.parametrize("text", HOSTILE_TEXT)
@pytest.mark.parametrize("form", ["json", "yaml", "h5"])
def test_hostile_models_are_one_line(graphc, tmp_path, text, form):
    file = tmp_path / f"model.{form}"
    if form == "h5":
        h5_file(file, model_config=np.bytes_(text.encode()) if len(text) < 60_000 else text[:60_000])
    else:
        file.write_text(text)
    status, out, err = graphc("dump-ir", file)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "internal" not in err
    assert len(err) < 2000


@pytest.mark.parametrize("attributes", [
    {}, {"model_config": 3}, {"model_config": np.zeros(5)}, {"model_config": ["{}", "{}"]},
    {"model_config": h5py.Empty("f")}, {"model_config": np.bytes_(b"\xff")}])
def test_hdf5_files_without_a_model(graphc, tmp_path, attributes):
    status, out, err = graphc("dump-ir", h5_file(tmp_path / "m.h5", **attributes))
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert "internal" not in err


def test_what_is_no_hdf5_file(graphc, tmp_path):
    (tmp_path / "m.h5").write_text("{}")
    assert "not an HDF5 file" in graphc("dump-ir", tmp_path / "m.h5").err
    assert "No such file" in graphc("dump-ir", tmp_path / "none.h5").err
