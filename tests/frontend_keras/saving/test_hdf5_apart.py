"""HDF5 files parsed by a process of its own: the same answers, and what breaks, hangs or lies there is a broken file here."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from graphc.errors import GraphcError, ModelFormatError
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential, load_model
from graphc.frontend_keras.saving import hdf5_apart
from graphc.frontend_keras.saving.hdf5 import Folder, reading, untrusted

CASES = Path(__file__).parents[2] / "reference" / "cases"
COMMAND = hdf5_apart._COMMAND
SERVE = "from graphc.frontend_keras.saving.hdf5_child import serve\nserve()"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "m.h5"
    Sequential([Dense(3, input_shape=(4,), name="d")], name="m").save(path)
    return path


def instead(monkeypatch, program):
    """What the process does in place of serving."""
    assert SERVE in COMMAND
    monkeypatch.setattr(hdf5_apart, "_COMMAND", COMMAND.replace(SERVE, program))


def saying(*messages):
    """A program that says it is ready, and then these messages."""
    parts = [json.dumps({"ok": None}).encode()] * 2 + [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
    data = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    return f"import os, time\nos.write(1, {data!r})\ntime.sleep(60)"


@pytest.mark.parametrize("path", ["lstm_embedding/keras224.h5", "stacked_lstm/model.h5", "keras3/model.keras", "keras3/model.h5"])
def test_a_model_is_the_same(path):
    here = load_model(CASES / path)
    with untrusted():
        there = load_model(CASES / path)
    for one, other in zip(here.get_weights(), there.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(here.optimizer.get_weights(), there.optimizer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_answer_is_the_same(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.float32(3), "c": np.zeros((0, 4), ">i2"), "d": np.array([-1, 2], "i1")}
    with h5py.File(tmp_path / "x.h5", "w") as h5:
        group = h5.create_group("g")
        for name, array in arrays.items():
            group[name] = array
        group["packed"] = group["a"][()].astype("f2")
        h5.attrs["text"], h5.attrs["texts"] = "é\x1b", np.array([b"a", b"bc"])
        h5.attrs["split0"], h5.attrs["split1"] = np.array([b"a"]), np.array([b"b"])

    def answers(root):
        found = root.folder("g")
        return [found.where, [repr(found.array(name, 6)) for name in (*arrays, "packed")], root.text("text"), root.text("none"),
                root.texts("texts"), root.texts("split"), root.has("text"), root.has("none"), "g" in root, "x" in root]

    def refusals(root):
        found = []
        for ask in (lambda: root.array("g/a", 5), lambda: root.array("g", 5), lambda: root.folder("g/a"), lambda: root.folder(".."),
                    lambda: root.text("texts"), lambda: root.texts("text"), lambda: root.texts("none")):
            with pytest.raises(ModelFormatError) as caught:
                ask()
            found.append(str(caught.value))
        return found

    with reading(tmp_path / "x.h5") as root:
        here = answers(root), refusals(root)
    with untrusted(), reading(tmp_path / "x.h5") as root:
        assert type(root) is not Folder
        assert (answers(root), refusals(root)) == here


def test_a_file_that_keeps_libhdf5_busy_for_ever(tmp_path, monkeypatch):
    """The size of an object in the global heap, chosen so that the next object is this one again."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as h5:
        h5.attrs["model_config"] = "x" * 100
    data = bytearray(buffer.getvalue())
    size = data.index(b"GCOL") + 24
    data[size:size + 8] = (2**64 - 16).to_bytes(8, "little")
    (tmp_path / "m.h5").write_bytes(data)
    monkeypatch.setattr(hdf5_apart, "PATIENCE", 300.0)  # on a busy machine two seconds of processor time take long
    with untrusted(), pytest.raises(ModelFormatError, match=f"file is broken; got its reader was ended by signal {signal.SIGXCPU}"):
        load_model(tmp_path / "m.h5")


def test_what_the_process_may_do(file, monkeypatch, tmp_path):
    """Nothing is opened, written, started or inherited, and memory is bounded, once the file is open."""
    monkeypatch.setenv("SECRET", "x")
    instead(monkeypatch, f"""
import os
from graphc.frontend_keras.saving import hdf5_child
def attempt(action):
    try:
        action()
    except (OSError, MemoryError, KeyError) as error:
        return type(error).__name__
    return "done"
def text(folder, name):
    return " ".join([attempt(lambda: open("/etc/hostname")), attempt(lambda: os.open({str(tmp_path / 'new')!r}, os.O_CREAT)),
                     attempt(lambda: os.write(os.memfd_create("x"), b"x")), attempt(lambda: bytearray(1 << 31)),
                     attempt(lambda: os.environ["SECRET"]), attempt(os.pipe)])
hdf5_child.Folder.text = text
hdf5_child._rehearse = hdf5_child.h5py
hdf5_child.serve()""")
    with untrusted(), reading(file) as root:
        assert root.text("anything") == "OSError OSError OSError MemoryError KeyError OSError"
    assert os.listdir(tmp_path) == ["m.h5"]


def test_a_process_that_does_not_start(file, monkeypatch):
    instead(monkeypatch, "raise SystemExit(3)")
    with untrusted(), pytest.raises(GraphcError, match="does not start; got its reader ended with status 3"):
        load_model(file)


def test_a_process_that_dies(file, monkeypatch):
    instead(monkeypatch, "from graphc.frontend_keras.saving import hdf5_child\nimport os\n"
                         "hdf5_child._rehearse = hdf5_child.h5py\n"
                         "hdf5_child.Folder.text = lambda *_: os.kill(os.getpid(), 11)\nhdf5_child.serve()")
    with untrusted(), pytest.raises(ModelFormatError, match="the file is broken; got its reader was ended by signal 11"):
        load_model(file)


def test_a_process_that_is_not_heard_of(file, monkeypatch):
    monkeypatch.setattr(hdf5_apart, "PATIENCE", 0.2)
    instead(monkeypatch, saying())
    with untrusted(), pytest.raises(ModelFormatError, match="takes too long"):
        load_model(file)


@pytest.mark.parametrize("message", [
    b"", b"{", b"[" * 100_000, b"\xff", [], {"ok": 1, "error": 2}, {"no": 1}, {"error": "x"}, {"error": [1, 2, 3, 4, 5]},
    {"ok": 7}, {"ok": ["a"]}, {"ok": {"a": 1}}])
def test_answers_that_are_no_text(file, monkeypatch, message):
    instead(monkeypatch, saying(message))
    with untrusted(), pytest.raises(ModelFormatError, match="answers nonsense"):
        load_model(file)


@pytest.mark.parametrize("answer", [
    7, [], ["<f4"], ["<f4", [4, 4]], ["<f4", [-1]], ["<f4", [1e9]], ["<f4", [True]], ["O", [1]], ["<M8", [1]], ["<f4", "12"],
    ["<f4", [1] * 40], ["f4,(9,)f4", [1]], [{"names": []}, [1]]])
def test_answers_that_are_no_array(file, monkeypatch, answer):
    instead(monkeypatch, saying({"ok": answer}))
    with untrusted(), reading(file) as root, pytest.raises(ModelFormatError, match="answers nonsense"):
        root.array("x", 12)


def test_lengths_that_are_none(file, monkeypatch):
    for length in (-1, 0, 1 << 40):
        instead(monkeypatch, saying().replace("\ntime", f"\nos.write(1, {length.to_bytes(8, 'little', signed=True)!r})\ntime"))
        with untrusted(), reading(file) as root, pytest.raises(ModelFormatError, match="answers nonsense"):
            root.text("x")


def test_limits_hold_from_the_beginning():
    """Before a file is opened; they grow with what is read."""
    program = """
import resource
from graphc.frontend_keras.saving import hdf5_child as child
limits, found = child.Limits(1000), []
for count in (None, 10**9, 0):
    if count is not None:
        limits.allow(count)
    found.append([resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU)])
(first, seconds), (more, longer), after = found
assert 0 < first < 1 << 33 and 0 < seconds < 60, found
assert more - first == 3 * 10**9 and longer > seconds, found
assert after[0] == first, found
limits.once()
assert all(resource.getrlimit(kind) == (0, 0) for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert not done.returncode, done.stderr
