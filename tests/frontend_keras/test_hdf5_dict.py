"""h5dict over files, groups and dicts."""

import h5py
import numpy as np
import pytest

from graphc.errors import ModelFormatError
from graphc.frontend_keras.utils import h5dict
from graphc.frontend_keras.utils.io_utils import H5Dict

NAMES = [f"layer_{i}" for i in range(3)]
MANY = [f"{i:0100}" for i in range(1000)]  # 100 kB, more than an attribute holds


@pytest.fixture(params=["file", "dict"])
def store(request, tmp_path):
    """(made to write, opened anew to read)"""
    if request.param == "dict":
        data = {}
        yield lambda: h5dict(data, "w"), lambda: h5dict(data, "r")
    else:
        path = str(tmp_path / "a.h5")
        yield lambda: h5dict(path, "w"), lambda: h5dict(path, "r")


def fill(root):
    root["epochs"], root["text"], root["names"], root["many"] = 3, "abc", NAMES, MANY
    root["empty"] = []
    array = np.arange(6.0).reshape(2, 3)
    root["group"]["array"] = array
    root["group"]["below"]["scalar"] = np.float32(2.5)
    array[:] = 0  # what was stored is a copy
    root.close()


def test_what_is_written_is_read(store):
    write, read = store
    fill(write())
    root = read()
    assert root["epochs"] == 3 and root["text"] == "abc" and list(root["empty"]) == []
    assert [name if isinstance(name, str) else name.decode() for name in root["names"]] == NAMES
    assert root["many"] == MANY
    np.testing.assert_array_equal(root["group"]["array"], [[0, 1, 2], [3, 4, 5]])
    assert root[b"group"]["below"]["scalar"] == np.float32(2.5)
    assert "group" in root and "text" in root and "nothing" not in root
    assert root.get("nothing", 7) == 7 and root.get("epochs") == 3
    root.close()


def test_reading_changes_nothing(store):
    write, read = store
    fill(write())
    root = read()
    with pytest.raises(ValueError, match="read only"):
        root["x"] = 1
    with pytest.raises(ValueError, match="read only"):
        root["nothing"]
    with pytest.raises(ValueError, match="read only"):
        root["group"]["x"] = 1
    root.close()


def test_beginning_anew(store):
    write, read = store
    fill(write())
    write().close()
    root = read()
    assert "epochs" not in root
    root.close()


def test_values_in_files_are_written_once(tmp_path):
    root = h5dict(str(tmp_path / "a.h5"))
    root["x"] = np.ones(2)
    with pytest.raises(KeyError, match='name "x" exists'):
        root["x"] = np.ones(2)
    root.update({"y": np.zeros(1)})
    assert sorted(root.keys()) == ["x", "y"] == sorted(root) == sorted(root.iter()) and len(root) == 2
    root.close()


def test_groups_stay_open(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        root = H5Dict(file.create_group("inside"))
        root["x"] = 1
        root.close()
        assert file["inside"].attrs["x"] == 1


def test_links_out_of_the_file_are_refused(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data"] = np.ones(3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/data")
    root = h5dict(str(tmp_path / "a.h5"), "r")
    with pytest.raises(ModelFormatError, match="another place"):
        root["x"]
    root.close()


def test_no_pickles(store):
    write, _ = store
    data = {}
    root = h5dict(data)
    root["x"] = np.ones(2)
    assert isinstance(data["x"], np.ndarray)


def test_other_things():
    with pytest.raises(TypeError, match="Group, str or dict"):
        h5dict(3)
