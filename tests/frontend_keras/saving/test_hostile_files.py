"""Files made to harm: each is refused with a typed error that names the place, and nothing they name is touched."""

import json
import os
import sys
from contextlib import suppress

import h5py
import numpy as np
import pytest
import yaml

from graphc.errors import ArgumentError, GraphcError, ModelFormatError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential, load_model, model_from_json, model_from_yaml

DANGEROUS = ("exec", "compile", "import", "os.system", "subprocess.Popen", "socket.connect", "pickle.find_class",
             "marshal.loads", "ctypes.dlopen")


@pytest.fixture
def watched():
    """What dangerous things happened, by the interpreter's own audit events."""
    seen, active = [], [True]

    def hook(event, arguments):
        if active[0] and event in DANGEROUS:
            seen.append((event, arguments[:1]))

    sys.addaudithook(hook)
    yield seen
    active[0] = False


def model():
    return Sequential([Dense(3, input_shape=(4,), name="d")], name="m")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "m.h5"
    model().save(path)
    return path


def refused(path, message, error=ModelFormatError):
    with pytest.raises(error, match=message):
        load_model(path)
    if error is not ArgumentError:
        with pytest.raises(GraphcError):
            model().load_weights(path)


# ---- HDF5


def test_links_are_not_followed(file, tmp_path):
    canary = tmp_path / "canary.h5"
    with h5py.File(canary, "w") as other:
        other["kernel"] = np.full((4, 3), 7.0)
    for link in (h5py.ExternalLink(str(canary), "/kernel"), h5py.SoftLink("/model_weights/d/d/bias:0")):
        with h5py.File(file, "a") as h5:
            del h5["model_weights/d/d/kernel:0"]
            h5["model_weights/d/d/kernel:0"] = link
        refused(file, "/model_weights/d/d/kernel:0: a link that leads elsewhere")
    with h5py.File(file, "a") as h5:
        del h5["model_weights/d"]
        h5["model_weights/d"] = h5py.ExternalLink(str(canary), "/")
    refused(file, "/model_weights/d: a link that leads elsewhere")


def test_numbers_outside_of_the_file(file, tmp_path):
    canary = tmp_path / "secret"
    canary.write_bytes(bytes(48))
    with h5py.File(file, "a") as h5:
        group = h5["model_weights/d/d"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", (4, 3), "f4", external=[(str(canary), 0, 48)])
    refused(file, "kernel:0: its numbers lie outside of the file")
    with h5py.File(file, "a") as h5:
        group = h5["model_weights/d/d"]
        del group["kernel:0"]
        layout = h5py.VirtualLayout((4, 3), "f4")
        layout[:] = h5py.VirtualSource(str(canary), "x", (4, 3), "f4")
        group.create_virtual_dataset("kernel:0", layout)
    refused(file, "kernel:0: its numbers lie outside of the file")


@pytest.mark.parametrize("values", [
    np.zeros((4, 3), [("a", "f4"), ("b", "f4")]), np.zeros((4, 3), "S4"),
    np.zeros((4, 3), "V8"), np.zeros((4, 3), "c8")])
def test_what_is_no_number(file, values):
    with h5py.File(file, "a") as h5:
        del h5["model_weights/d/d/kernel:0"]
        h5["model_weights/d/d"].create_dataset("kernel:0", data=values)
    refused(file, "kernel:0: not plain numbers")


def test_more_than_is_stored_or_wanted(file):
    with h5py.File(file, "a") as h5:
        group = h5["model_weights/d/d"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", (10**6, 10**6), "f4", chunks=(1000, 1000))
    refused(file, "more numbers than the model has there")
    K.clear_session()
    big = Sequential([Dense(4096, input_shape=(4096,), name="d")], name="m")
    big.save(file)
    with h5py.File(file, "a") as h5:
        group = h5["model_weights/d/d"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", (4096, 4096), "f4", chunks=(1024, 1024))
    with pytest.raises(ModelFormatError, match="declares more than it stores"):
        big.load_weights(file)
    with h5py.File(file, "a") as h5:
        group = h5["model_weights/d/d"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", (4096, 4096), "f4", chunks=(1, 1))
    with pytest.raises(ModelFormatError, match="too many chunks"):
        big.load_weights(file)


def test_filters_that_are_plugins(file):
    with h5py.File(file, "a") as h5:
        group = h5["model_weights/d/d"]
        del group["kernel:0"]
        space, plist = h5py.h5s.create_simple((4, 3)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4, 3))
        plist.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1,))
        h5py.h5d.create(group.id, b"kernel:0", h5py.h5t.IEEE_F32LE, space, plist)
    refused(file, "a filter that is not supported")


@pytest.mark.parametrize("name", ["../d", ".", "", "d/" * 100, "x" * 5000])
def test_names_that_are_no_names(file, name):
    with h5py.File(file, "a") as h5:
        h5["model_weights/d"].attrs["weight_names"] = [name.encode(), b"d/bias:0"]
    refused(file, "not in the file|not a name of something|not a dataset")


def test_attributes_of_other_kinds(file):
    for value in (7, np.zeros(3), np.array([b"d"] * 3), h5py.Empty("f")):
        with h5py.File(file, "a") as h5:
            h5.attrs["model_config"] = value
        with pytest.raises(ModelFormatError, match="model_config"):
            load_model(file)
    with h5py.File(file, "a") as h5:
        h5.attrs["model_config"] = np.bytes_(b"\xff\xfe{")
    with pytest.raises(ModelFormatError, match="UTF-8"):
        load_model(file)


def test_groups_that_hold_themselves(file):
    with h5py.File(file, "a") as h5:
        h5["model_weights/d/again"] = h5["model_weights/d"]
        h5["model_weights/d"].attrs["weight_names"] = [b"again/again/again/d/kernel:0", b"again/d/bias:0"]
    assert load_model(file, compile=False).layers[0].get_weights()[0].shape == (4, 3)


def test_files_that_are_cut_or_begin_otherwise(file, tmp_path):
    data = file.read_bytes()
    for keep in range(0, len(data), 512):
        (tmp_path / "cut.h5").write_bytes(data[:keep])
        with pytest.raises((ModelFormatError, OSError)):
            load_model(tmp_path / "cut.h5")
    (tmp_path / "block.h5").write_bytes(b"#!/bin/sh\n".ljust(512) + data)
    with pytest.raises(ModelFormatError, match="not an HDF5 file"):
        load_model(tmp_path / "block.h5")


def test_not_finite_weights_load(file):
    weird = np.array([[np.nan, np.inf, -np.inf]] * 4, "f4")
    with h5py.File(file, "a") as h5:
        h5["model_weights/d/d/kernel:0"][...] = weird
    np.testing.assert_array_equal(load_model(file, compile=False).get_weights()[0], weird)


@pytest.mark.parametrize("kind", ["reference", "enum", "bitfield", "opaque"])
def test_types_that_are_no_numbers(file, kind):
    with h5py.File(file, "a") as h5:
        group = h5["model_weights/d/d"]
        del group["kernel:0"]
        if kind == "reference":
            group.create_dataset("kernel:0", (4, 3), h5py.ref_dtype)
        elif kind == "enum":
            group.create_dataset("kernel:0", (4, 3), h5py.enum_dtype({"a": 1}, basetype="i4"))
        else:
            space = h5py.h5s.create_simple((4, 3))
            type_ = h5py.h5t.STD_B32LE if kind == "bitfield" else h5py.h5t.create(h5py.h5t.OPAQUE, 4)
            h5py.h5d.create(group.id, b"kernel:0", type_, space)
    refused(file, "kernel:0: not plain numbers|the file is broken")


def test_a_superblock_that_is_wrong(file):
    data = bytearray(file.read_bytes())
    data[8:16] = b"\xff" * 8
    file.write_bytes(data)
    with pytest.raises(ModelFormatError):
        load_model(file)


# ---- what texts say, by every way in


def config(**change):
    layer = {"class_name": "Dense", "config": {"name": "d", "units": 3, "batch_input_shape": [None, 4], **change}}
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [layer]}}


def layer(**description):
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [description]}}


LAMBDA = ["4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTACkBTqkA", None, None]
HOSTILE = {
    "Lambda": layer(class_name="Lambda", config={"name": "l", "function": LAMBDA, "function_type": "lambda"}),
    "module": layer(class_name="Popen", module="subprocess", config={"args": ["touch", "pwned"]}),
    "own module": layer(class_name="load", module="graphc.cli.files", config={"path": "/etc/passwd"}),
    "dunder": layer(class_name="__class__", config={}), "reduce": layer(class_name="__reduce__", config={}),
    "dunder key": config(__init__=1), "units true": config(units=True), "units text": config(units="3"),
    "units float": config(units=3.5), "units null": config(units=None), "units list": config(units=[3]),
    "activation": config(activation="os.system"), "initializer": config(kernel_initializer="__import__"),
    "initializer class": config(kernel_initializer={"class_name": "eval", "config": {"source": "1"}}),
    "shape of text": config(batch_input_shape=[None, "4"]), "negative shape": config(batch_input_shape=[None, -4]),
    "long shape": config(batch_input_shape=[None] + [1] * 100), "huge units": config(units=2**62),
    "nested": config(units={"units": 3}),
    "embedding": layer(class_name="Embedding", config={"input_dim": 2**62, "output_dim": 4, "input_length": 3}),
    "reshape twice": layer(class_name="Reshape", config={"target_shape": [-1, -1], "batch_input_shape": [None, 4]}),
    "reshape": layer(class_name="Reshape", config={"target_shape": [5], "batch_input_shape": [None, 4]}),
    "reshape overflow": layer(class_name="Reshape", config={"target_shape": [2**40, 2**40], "batch_input_shape": [None, 4]}),
    "permute": layer(class_name="Permute", config={"dims": [1, 1], "batch_input_shape": [None, 4, 3]}),
    "no units": layer(class_name="LSTM", config={"units": 0, "batch_input_shape": [None, 4, 3]}),
    "two names": {"class_name": "Sequential", "config": {"name": "m", "layers": [
        config()["config"]["layers"][0], config()["config"]["layers"][0]]}},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_same_verdict_by_every_way_in(name, tmp_path, watched, monkeypatch):
    assert yaml, "is imported before anything is watched"
    text = json.dumps(HOSTILE[name])
    path = tmp_path / "m.h5"
    model().save(path)
    with h5py.File(path, "a") as h5:
        h5.attrs["model_config"] = text
    monkeypatch.chdir(tmp_path)
    for way in (lambda: model_from_json(text), lambda: model_from_yaml(text), lambda: load_model(path)):
        before = len(watched)
        with pytest.raises((ModelFormatError, ArgumentError, ShapeError)):
            way()
        harmful = [event for event in watched[before:] if event[0] not in ("import", "compile", "exec")]
        assert not harmful
        assert not any(event[0] == "import" and event[1][0] in ("subprocess", "marshal", "pickle") for event in watched[before:])
    assert "pwned" not in os.listdir(tmp_path)


@pytest.mark.parametrize(("text", "message"), [
    ('{"a": 1, "a": 2}', "a key stands twice"), ('{"a": NaN}', "not finite"), ('{"a": 1e999}', "not finite"),
    ('{"a": ' + "9" * 10**5 + "}", "not JSON"), ("[" * 200 + "]" * 200, "nested too deeply"),
    ('"' + "x" * 10**6 + '"', "too long"), ("[" + "1," * (2**20 + 1) + "1]", "holds too much"),
    ('{"a": 1} {"b": 2}', "not JSON"), ("", "not JSON"), ("\ufeff{}", "not JSON"), ("x" * (16 * 2**20 + 1), "too long")])
def test_bounds_of_json(text, message):
    with pytest.raises(ModelFormatError, match=message):
        model_from_json(text)


@pytest.mark.parametrize(("text", "message"), [
    ("!!python/object/new:os.system [touch pwned]", "not YAML"), ("!!python/name:os.system", "not YAML"),
    ("!!python/module:subprocess", "not YAML"), ("!!python/object/apply:os.system ['touch pwned']", "not YAML"),
    ("a: &a [x]\nb: *a", "anchors"), ("a: 1\na: 2", "stands twice"), ("--- 1\n--- 2", "not YAML"),
    ("x: .nan", "not finite"), ("x: 2001-01-01", "another kind"), ("? [a, b]\n: 1", "not YAML|a key that is no name"),
    ("a: &a [1, 2]\n<<: [*a, *a]", "anchors")])
def test_bounds_of_yaml(text, message):
    with pytest.raises(ModelFormatError, match=message):
        model_from_yaml(text)


def test_a_bomb_of_aliases_costs_nothing():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(ModelFormatError, match="anchors"):
        model_from_yaml("\n".join(lines))


def functional(layers, outputs):
    described = [{"class_name": "InputLayer", "name": "x", "config": {"batch_input_shape": [None, 2], "name": "x"},
                  "inbound_nodes": []}]
    described += [{"class_name": "Dense", "name": name, "config": {"units": 2, "name": name},
                   "inbound_nodes": [[[source, 0, 0, {}]]]} for name, source in layers]
    return json.dumps({"class_name": "Model", "config": {"name": "m", "layers": described, "input_layers": [["x", 0, 0]],
                                                         "output_layers": [[outputs, 0, 0]]}})


@pytest.mark.parametrize("layers", [[("a", "b"), ("b", "a")], [("a", "a")]])
def test_graphs_that_go_in_circles(layers):
    with pytest.raises(ModelFormatError, match="wait for each other"):
        model_from_json(functional(layers, "a"))


def test_a_long_chain_is_read_or_refused():
    chain = [(f"l{i}", f"l{i - 1}" if i else "x") for i in range(1500)]
    assert len(model_from_json(functional(chain, "l1499")).layers) == 1501
    with pytest.raises(ModelFormatError, match="too much|too long"):
        model_from_json(functional([(f"l{i}", f"l{i - 1}" if i else "x") for i in range(120000)], "l119999"))


def test_names_do_not_become_code_or_paths(tmp_path, monkeypatch):
    for name in ('x"); __import__("os").system("touch pwned"); ("', "a\x00b", "a\nb", "a\u202eb", "../../pwned", "x" * 300):
        text = json.dumps(config(name=name))
        try:
            made = model_from_json(text)
        except GraphcError:
            continue
        monkeypatch.chdir(tmp_path)
        made.predict(np.zeros((2, 4)))
        with suppress(GraphcError, ValueError):
            made.save(tmp_path / "m.h5")
    assert set(os.listdir(tmp_path)) <= {"m.h5"}
