"""Every attack of the corpus is refused with a typed error, by every way in; nothing that it names is touched."""

import errno
import fcntl
import io
import json
import os
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest
import yaml

from graphc.cli import main
from graphc.errors import GraphcError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential, load_model, model_from_json, model_from_yaml
from tests.hostile import corpus
from tests.hostile.watching import Canaries


@pytest.fixture
def canaries(tmp_path, monkeypatch):
    """Files that must not be opened, in a folder where nothing may appear."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "canaries").mkdir()
    with Canaries(tmp_path / "canaries") as found:
        yield found
        assert not found.opened()
    assert "pwned" not in os.listdir(tmp_path)


def refused(load):
    """What the error says: on one line after the command line's escapes, and of something."""
    K.clear_session()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((GraphcError, OSError)) as caught:
            load()
    assert str(caught.value)
    return str(caught.value)


def refused_by_the_command(capsys, path, *arguments):
    K.clear_session()
    status = main(["dump-ir", str(path), *arguments])
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if not line.startswith("graphc: warning: ")]
    assert (status, out, len(errors)) == (2, "", 1), err
    assert errors[0].startswith("graphc: error: ")
    assert "internal error" not in errors[0]


@pytest.mark.parametrize("name", corpus.CONFIGURATIONS)
def test_configurations(name, canaries, tmp_path, capsys):
    value = corpus.CONFIGURATIONS[name]
    text = json.dumps(value)
    refused(lambda: model_from_json(text))
    refused(lambda: model_from_yaml(text))
    refused(lambda: model_from_yaml(yaml.safe_dump(value)))
    buffer = io.BytesIO(corpus.sound())
    with h5py.File(buffer, "r+") as file:
        file.attrs["model_config"] = np.bytes_(text.encode())if len(text) < 60000 else text
    for path, content in (("m.json", text.encode()), ("m.h5", buffer.getvalue()), ("m.keras", corpus.archive(text, corpus.sound()))):
        (tmp_path / path).write_bytes(content)
        if path != "m.json":
            refused(lambda path=path: load_model(path))
        refused_by_the_command(capsys, path, *(["--trusted"] if path != "m.json" else []))


@pytest.mark.parametrize("names", corpus.ALIKE, ids=ascii)
def test_names_that_only_folding_makes_equal_stay_apart(names, tmp_path):
    """json15: each layer gets its own weights, by every way."""
    K.clear_session()
    model = Sequential([Dense(3, input_shape=(3,), name=names[0]), Dense(3, name=names[1])])
    model.set_weights([np.full(w.shape, i) for i, w in enumerate(model.get_weights())])
    model.save(tmp_path / "m.h5")
    model.save_weights(tmp_path / "w.h5")
    again = [model_from_json(model.to_json()), model_from_yaml(model.to_yaml())]
    again[0].load_weights(tmp_path / "w.h5")
    again[1].load_weights(tmp_path / "w.h5", by_name=True)
    with pytest.warns(UserWarning, match="No training configuration"):
        again.append(load_model(tmp_path / "m.h5"))
    for other in again:
        assert [layer.name for layer in other.layers] == list(names)
        for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", corpus.TEXTS)
def test_texts(name, canaries, tmp_path, capsys):
    refused(lambda: model_from_json(corpus.TEXTS[name]))
    (tmp_path / "m.json").write_text(corpus.TEXTS[name])
    refused_by_the_command(capsys, tmp_path / "m.json")


@pytest.mark.parametrize("name", corpus.YAML)
def test_yaml(name, canaries, tmp_path, capsys):
    refused(lambda: model_from_yaml(corpus.YAML[name]))
    (tmp_path / "m.yaml").write_text(corpus.YAML[name])
    refused_by_the_command(capsys, tmp_path / "m.yaml")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_texts_that_are_not_utf_8(encoding, tmp_path, capsys):
    for ending in ("json", "yaml"):
        (tmp_path / f"m.{ending}").write_bytes('{"é": 1}'.encode(encoding))
        refused_by_the_command(capsys, tmp_path / f"m.{ending}")


@pytest.mark.parametrize("name", corpus.HDF5)
def test_hdf5(name, canaries, tmp_path, capsys):
    path = tmp_path / "m.h5"
    path.write_bytes(corpus.changed(corpus.HDF5[name], canaries.paths))
    said = refused(lambda: load_model(path))
    assert any(part in said for part in ("/", "d, ", "d from")), said
    model = Sequential([Dense(3, input_shape=(4,), name="d")])
    before = model.get_weights()
    refused(lambda: model.load_weights(path))
    refused(lambda: model.load_weights(path, by_name=True))
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    refused_by_the_command(capsys, path, "--trusted")


@pytest.mark.parametrize("name", ["h5-03 pipe", "h5-05 kernel", "h5-09 vlen", "h5-13 chunk", "h5-15 filter"])
def test_hdf5_apart(name, canaries, tmp_path, capsys):
    path = tmp_path / "m.h5"
    path.write_bytes(corpus.changed(corpus.HDF5[name], canaries.paths))
    refused_by_the_command(capsys, path)


@pytest.mark.parametrize("name", corpus.DRIVERS)
def test_files_of_other_drivers_and_unfinished_ones(name, tmp_path, capsys):
    path = tmp_path / "m0.h5"
    corpus.DRIVERS[name](tmp_path)
    assert str(path) in refused(lambda: load_model(path))
    assert str(path) in refused(lambda: Sequential([Dense(3, input_shape=(4,), name="d")]).load_weights(path))
    refused_by_the_command(capsys, path)
    refused_by_the_command(capsys, path, "--trusted")


def test_a_file_that_another_program_writes(tmp_path, capsys):
    """It holds the lock of writers that HDF5 knows. Beside another reader the file can be read."""
    path = tmp_path / "m.h5"
    path.write_bytes(corpus.sound())
    writer = [sys.executable, "-c", "import sys, h5py; file = h5py.File(sys.argv[1], sys.argv[2]); print(); input()", str(path)]
    for mode, said in (("r+", "the file is being written by another program"), ("r", None)):
        with subprocess.Popen([*writer, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            other.stdout.readline()
            if said is None:
                with pytest.warns(UserWarning, match="No training configuration"):
                    assert load_model(path).count_params() == 15
            else:
                assert said in refused(lambda: load_model(path))
                refused_by_the_command(capsys, path)
            other.communicate(b"\n")


def test_without_locks_files_are_read_all_the_same(tmp_path, monkeypatch):
    def none(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    (tmp_path / "m.h5").write_bytes(corpus.sound())
    with pytest.warns(UserWarning, match="No training configuration"):
        assert load_model(tmp_path / "m.h5").count_params() == 15


@pytest.mark.parametrize("name", corpus.POLYGLOT)
def test_files_that_begin_otherwise(name, tmp_path, capsys):
    (tmp_path / "m.h5").write_bytes(corpus.POLYGLOT[name]())
    refused(lambda: load_model(tmp_path / "m.h5"))
    refused(lambda: Sequential([Dense(3, input_shape=(4,), name="d")]).load_weights(tmp_path / "m.h5"))
    refused_by_the_command(capsys, tmp_path / "m.h5")


@pytest.mark.parametrize("name", corpus.ARCHIVES)
def test_archives(name, canaries, tmp_path, capsys):
    (tmp_path / "m.keras").write_bytes(corpus.ARCHIVES[name]())
    refused(lambda: load_model(tmp_path / "m.keras"))
    refused_by_the_command(capsys, tmp_path / "m.keras", "--trusted")


def test_plugins_are_not_looked_for(canaries, tmp_path, monkeypatch):
    """A filter's number does not make HDF5 look into a folder of plugins."""
    monkeypatch.setenv("HDF5_PLUGIN_PATH", str(tmp_path / "canaries"))
    (tmp_path / "m.h5").write_bytes(corpus.changed(corpus.HDF5["h5-15 filter"], canaries.paths))
    assert "a filter that is not supported" in refused(lambda: load_model(tmp_path / "m.h5"))
