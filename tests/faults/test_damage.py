"""Checkpoints that somebody has damaged or forged: a typed refusal, and the one before it is taken."""

import hashlib
import json
import os
import shutil
import warnings

import numpy as np
import pytest

from graphc.errors import CheckpointError, ModelFormatError
from graphc.frontend_keras.saving import packing, tensors
from graphc.frontend_keras.saving.checkpoints import CheckpointFolder
from tests.faults.trainings import Training

pytestmark = pytest.mark.filterwarnings("ignore:Method on_batch")  # a busy machine makes callbacks slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A training, the folder of its two last checkpoints (after the third and the fourth epoch), and its hash."""
    training, folder = Training("dropped"), tmp_path_factory.mktemp("made") / "kept"
    training.restart()
    return training, folder, training.run(folder)


@pytest.fixture
def copy(made, tmp_path):
    training, folder, expected = made
    shutil.copytree(folder, tmp_path / "kept")
    training.spoil()
    return training, tmp_path / "kept", expected


def resume(training, folder, match):
    with pytest.warns(UserWarning, match=match):
        return training.run(folder)


def forge(checkpoint, *, state=None, arrays=None, manifest=None):
    """Change the content and make its hashes right again, as somebody would who means it."""
    text = json.loads((checkpoint / "state.json").read_text())
    held = {name: array.copy() for name, array in
            tensors.parsed((checkpoint / "tensors.safetensors").read_bytes(), "tensors").items()}
    about = json.loads((checkpoint / "manifest.json").read_text())
    for change, what in ((state, text), (arrays, held)):
        if change is not None:
            change(what)
    (checkpoint / "state.json").write_text(json.dumps(text))
    (checkpoint / "tensors.safetensors").write_bytes(b"".join(map(bytes, tensors.parts(held))))
    for name in ("state.json", "tensors.safetensors"):
        content = (checkpoint / name).read_bytes()
        about["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if manifest is not None:
        manifest(about)
    (checkpoint / "manifest.json").write_text(json.dumps(about))


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def _put(state, value, *path):
    for key in path[:-1]:
        state = state[key]
    state[path[-1]] = value


DAMAGE = {
    "a flipped bit in a tensor": lambda c: flip(c / "tensors.safetensors", -5),
    "a flipped bit in the state": lambda c: flip(c / "state.json", 40),
    "a wrong hash": lambda c: forge(c, manifest=lambda m: _put(m, "0" * 64, "files", "state.json", "sha256")),
    "a wrong size": lambda c: forge(c, manifest=lambda m: _put(m, 17, "files", "state.json", "bytes")),
    "a size beyond all bounds": lambda c: forge(c, manifest=lambda m: _put(m, 2**60, "files", "state.json", "bytes")),
    "a negative size": lambda c: forge(c, manifest=lambda m: _put(m, -1, "files", "state.json", "bytes")),
    "cut off": lambda c: os.truncate(c / "tensors.safetensors", 3000),
    "an empty file": lambda c: os.truncate(c / "state.json", 0),
    "no manifest": lambda c: (c / "manifest.json").unlink(),
    "a manifest cut off": lambda c: os.truncate(c / "manifest.json", 50),
    "a manifest too long": lambda c: (c / "manifest.json").write_text(" " * 70000),
    "no tensors": lambda c: (c / "tensors.safetensors").unlink(),
    "a tensor less": lambda c: forge(c, arrays=lambda a: a.pop("3")),
    "a tensor more": lambda c: forge(c, arrays=lambda a: a.update(more=np.zeros(2))),
    "a tensor of another shape": lambda c: forge(c, arrays=lambda a: a.update({"3": a["3"].reshape(-1)})),
    "a tensor of another type": lambda c: forge(c, arrays=lambda a: a.update({"3": a["3"].astype("f8")})),
    "a state twice": lambda c: forge(c, state=lambda s: _put(s, s["states"][0][1], "states", 1, 1)),
    "a state less": lambda c: forge(c, state=lambda s: s["states"].pop(), arrays=lambda a: a.pop(max(a, key=int))),
    "step 2^63": lambda c: forge(c, state=lambda s: _put(s, 2**63, "position", "steps")),
    "a negative cursor": lambda c: forge(c, state=lambda s: _put(s, -1, "position", "batch")),
    "a cursor behind the end": lambda c: forge(c, state=lambda s: _put(s, 6, "position", "batch")),
    "a cursor that is true": lambda c: forge(c, state=lambda s: _put(s, True, "position", "epoch")),
    "a cursor that is 1.0": lambda c: forge(c, state=lambda s: _put(s, 1.0, "position", "epoch")),
    "another key": lambda c: forge(c, state=lambda s: s.update(more=1)),
    "an order with a row twice": lambda c: forge(c, arrays=lambda a: a["0"].__setitem__(0, a["0"][1])),
    "an order of other rows": lambda c: forge(c, arrays=lambda a: a["0"].__setitem__(0, 10**9)),
    "a place behind the generator's end": lambda c: forge(
        c, state=lambda s: _put(s, 10**9, "random", "numpy", "state", "pos")),
    "a seed beyond 64 bits": lambda c: forge(c, state=lambda s: _put(s, {"$whole": "0x1" + "0" * 17}, "random",
                                                                     "seeds", 0)),
    "a tag that nobody knows": lambda c: forge(c, state=lambda s: s.update(stream={"$pickle": "x"})),
    "a later format": lambda c: forge(c, manifest=lambda m: m.update(format=2)),
    "a format that is no number": lambda c: forge(c, manifest=lambda m: m.update(format="1")),
    "another's name": lambda c: forge(c, manifest=lambda m: m.update(number=3)),
    "a file more": lambda c: forge(c, manifest=lambda m: _put(m, m["files"]["state.json"], "files", "more")),
    "a path in a name": lambda c: forge(c, manifest=lambda m: _put(m, m["files"].pop("state.json"), "files",
                                                                   "../ckpt-3/state.json")),
    "a link to a file": lambda c: _link(c / "state.json", c.parent / "ckpt-3" / "state.json"),
    "a link to the folder": lambda c: _link(c, c.parent / "ckpt-3"),
    "a link to itself": lambda c: _link(c / "state.json", c / "state.json"),
    "a folder for a file": lambda c: ((c / "state.json").unlink(), (c / "state.json").mkdir()),
    "a pipe for a file": lambda c: ((c / "state.json").unlink(), os.mkfifo(c / "state.json")),
    "a file for the folder": lambda c: (shutil.rmtree(c), c.write_text("")),
}


def _link(path, to):
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    path.symlink_to(to)


@pytest.mark.parametrize("name", DAMAGE)
def test_the_checkpoint_before_is_taken(name, copy):
    training, folder, expected = copy
    DAMAGE[name](folder / "ckpt-4")
    assert resume(training, folder, r"going on from ckpt-3, since a newer one is not sound. ckpt-4: ") == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert training.run(folder) == expected  # the damaged one has made room


def test_without_a_sound_one_nothing_is_touched(copy):
    training, folder, _ = copy
    for number in (3, 4):
        flip(folder / f"ckpt-{number}" / "tensors.safetensors", -1)
    before = training.state(), sorted(os.listdir(folder))
    with pytest.raises(CheckpointError, match=r"no checkpoint of the folder is sound; got ckpt-4: .*ckpt-3: .*Remove"):
        training.run(folder)
    assert (training.state(), sorted(os.listdir(folder))) == before


def test_swapped_checkpoints_are_not_taken(copy):
    training, folder, _ = copy
    for old, new in (("ckpt-3", "aside"), ("ckpt-4", "ckpt-3"), ("aside", "ckpt-4")):
        (folder / old).rename(folder / new)
    with pytest.raises(CheckpointError, match="stands under another's name"):
        training.run(folder)


def test_every_cut_and_many_flipped_bits_of_every_file_are_noticed(copy):
    _, folder, _ = copy
    with CheckpointFolder(folder) as opened:
        chance = np.random.RandomState(5)
        for name in ("state.json", "tensors.safetensors", "manifest.json"):
            path = folder / "ckpt-4" / name
            whole = path.read_bytes()
            for at in [*range(0, len(whole), 97), *chance.randint(len(whole), size=60)]:
                changed = bytearray(whole)
                changed[at] ^= 1 << chance.randint(8)
                for content in (whole[:at], bytes(changed)):
                    path.write_bytes(content)
                    if name == "manifest.json" and _says_the_same(content, whole):
                        continue
                    with pytest.raises((ModelFormatError, OSError)):
                        opened._read(4)
            path.write_bytes(whole)
        opened._read(4)


def _says_the_same(content, whole):
    try:
        return json.loads(content) == json.loads(whole)
    except ValueError:
        return False


HEADERS = {
    "gap": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
    "overlap": {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                "b": {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]}},
    "beyond": {"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}},
    "product beyond 64 bits": {"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}},
    "negative": {"a": {"dtype": "F32", "shape": [-2, -1], "data_offsets": [0, 8]}},
    "bool": {"a": {"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}},
    "object": {"a": {"dtype": "O", "shape": [1], "data_offsets": [0, 8]}},
    "list": [], "text": {"a": "b"}, "nothing": {"a": {}}, "three": {"a": {"dtype": "U8", "shape": [8],
                                                                          "data_offsets": [0, 8, 9]}},
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_not_sound(name):
    text = json.dumps(HEADERS[name]).encode()
    with pytest.raises(ModelFormatError):
        tensors.parsed(len(text).to_bytes(8, "little") + text + b"\0" * 8, "file")


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"\xff" * 16, (2**63).to_bytes(8, "little") + b"{}"])
def test_beginnings_that_are_not_sound(content):
    with pytest.raises(ModelFormatError):
        tensors.parsed(content, "file")


VALUES = [None, True, 0, -5, 2**70, -2**63, 0.1, float("inf"), -0.0, "text", [], {}, (), (1, (2.5, "x")), [1, 2.0, "x"],
          list(range(40)), [0.1] * 20, [float("nan")] * 20, {"$a": 1, 2: [3]}, {(1, 2): None}, np.float32(0.1),
          np.int8(-3), [np.float32(1), np.float32(2)], [np.float32(1), np.float64(2)], np.bool_(True),
          np.arange(6, dtype="i2").reshape(2, 3), np.zeros((0, 3)), np.array(2.5), np.arange(4, dtype=">f4"),
          np.arange(6.0).reshape(2, 3).T]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_come_back_as_they_were(value):
    arrays = {}
    text = json.dumps(packing.pack(value, arrays, "value"), allow_nan=False)
    again = tensors.parsed(b"".join(map(bytes, tensors.parts(arrays))), "file")
    _same(packing.unpack(json.loads(text), again, "value"), value)


def _same(got, value):
    assert type(got) is type(value)
    if isinstance(value, (list, tuple)):
        assert len(got) == len(value)
        for a, b in zip(got, value, strict=True):
            _same(a, b)
    elif isinstance(value, dict):
        assert list(got) == list(value)
        for key in value:
            _same(got[key], value[key])
    elif isinstance(value, np.ndarray):
        assert got.dtype == value.dtype.newbyteorder("<") and got.shape == value.shape and np.array_equal(got, value)
    else:
        assert repr(got) == repr(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", np.array(["x"]), np.array([1j]), lambda: 0, [[print]]])
def test_values_that_a_checkpoint_cannot_hold(value):
    with pytest.raises(CheckpointError, match="cannot hold"):
        packing.pack(value, {}, "value")
