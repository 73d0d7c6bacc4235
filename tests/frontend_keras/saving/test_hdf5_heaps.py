"""Lists of texts of any length, as h5py 3 writes them: read where they are short, refused where they may unfold."""

import h5py
import numpy as np
import pytest

from graphc.errors import ModelFormatError
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.saving import hdf5, hdf5_heaps

NAMES = [f"layer_{i}" for i in range(50)]


def write(path, texts, numbers=0):
    with h5py.File(path, "w") as file:
        file["numbers"] = np.zeros(numbers)
        file.attrs.create("names", texts, dtype=h5py.string_dtype())
        file.create_group("below").attrs.create("names", texts[:2], dtype=h5py.string_dtype())
    return path


def texts(path, group=None):
    with hdf5.reading(path) as root:
        return (root if group is None else root.folder(group)).texts("names")


def longest(path):
    with h5py.File(path) as file:
        return hdf5_heaps.Heaps(file).longest


@pytest.fixture
def little_memory(monkeypatch):
    """50 heaps of 4096 bytes, as short texts need, are just allowed."""
    monkeypatch.setattr(hdf5, "_SHARED", 50 * 4096)


def test_short_texts_in_a_large_file(tmp_path, little_memory):
    path = write(tmp_path / "a.h5", NAMES, numbers=100_000)
    assert longest(path) == 4096  # the least size of a heap (HDF5 File Format Specification 3.0, III.E)
    assert texts(path) == NAMES
    assert texts(path, "below") == NAMES[:2]


def test_one_long_text_is_enough_to_refuse(tmp_path, little_memory):
    path = write(tmp_path / "a.h5", [*NAMES[:-1], "x" * 10_000])
    assert longest(path) >= 10_000
    with pytest.raises(ModelFormatError, match="texts of any length"):
        texts(path)
    assert texts(path, "below") == NAMES[:2]


def test_a_text_that_many_share(tmp_path, little_memory):
    """What the limit is for: the references of a list all made to lead to one text."""
    path = write(tmp_path / "a.h5", ["y" * 5000, *NAMES[1:]])
    with h5py.File(path) as file:
        file_bytes = bytearray(path.read_bytes())
        size = len(file_bytes)
    start = file_bytes.find((5000).to_bytes(4, "little"))  # length, address and index of the first reference
    reference = file_bytes[start:start + 16]
    file_bytes[start:start + 16 * 50] = reference * 50
    path.write_bytes(file_bytes)
    with h5py.File(path) as file:
        assert set(file.attrs["names"]) == {"y" * 5000}  # 50 times as long as what is stored
    assert size < 50 * 4096
    with pytest.raises(ModelFormatError, match="texts of any length"):
        texts(path)


@pytest.mark.parametrize("piece", [16, 17, 31, 4096])
def test_heaps_are_found_wherever_they_begin(tmp_path, monkeypatch, piece):
    path = write(tmp_path / "a.h5", ["z" * 9000, *NAMES], numbers=10)
    whole = longest(path)
    monkeypatch.setattr(hdf5_heaps, "_PIECE", piece)
    assert longest(path) == whole >= 9000


def test_marks_among_numbers(tmp_path):
    """Numbers that look like the beginning of a heap: believed where they fit into the file, else not."""
    path = tmp_path / "a.h5"
    for size in (2000, 1 << 40):
        with h5py.File(path, "w") as file:
            file["numbers"] = np.frombuffer(b"GCOL\x01abc" + size.to_bytes(8, "little") + bytes(4000), "u1")
        assert longest(path) == (2000 if size == 2000 else 0)


def test_bytes_that_cannot_be_seen(tmp_path):
    path = write(tmp_path / "a.h5", NAMES)
    with open(path, "rb") as file, h5py.File(file) as opened:
        assert hdf5_heaps.Heaps(opened).longest == path.stat().st_size


def test_a_model_of_h5py_3(tmp_path, little_memory):
    """tf_keras hands h5py lists of bytes, which h5py 3 stores as texts of any length."""
    def build():
        return Sequential([Dense(70, input_dim=70, name=f"d{i}") for i in range(5)])

    model, again = build(), build()
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        for group in (file, *file.values()):
            for name in ("layer_names", "weight_names"):
                if name in group.attrs:
                    group.attrs[name] = group.attrs[name].tolist()
        assert h5py.check_string_dtype(file.attrs.get_id("layer_names").dtype).length is None
        assert file.id.get_filesize() * 5 > hdf5._SHARED
    again.load_weights(tmp_path / "w.h5")
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
