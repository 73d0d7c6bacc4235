"""Files that are downloaded, archives that are taken apart, arrays in HDF5 files."""

import gzip
import hashlib
import io
import os
import tarfile
import urllib.request
import zipfile
from urllib.error import HTTPError, URLError

import h5py
import numpy as np
import pytest

from graphc.errors import ArgumentError, IndexRangeError, ModelFormatError, StorageError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.utils import HDF5Matrix, archives, downloads, get_file
from graphc.frontend_keras.utils.archives import ArchiveError, extract_archive
from graphc.frontend_keras.utils.data_utils import validate_file
from graphc.frontend_keras.utils.downloads import DownloadError

CONTENT = b"some bytes" * 1000
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def origin(tmp_path):
    (tmp_path / "origin.bin").write_bytes(CONTENT)
    return (tmp_path / "origin.bin").as_uri()


def left_over(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


class TestGetFile:
    def test_once(self, home, origin, capsys):
        path = get_file("x.bin", origin)
        assert path == str(home / "datasets" / "x.bin")
        assert (home / "datasets" / "x.bin").read_bytes() == CONTENT
        told = capsys.readouterr().out
        assert told.startswith(f"Downloading data from {origin}\n")
        assert "10000/10000 [==" in told
        assert get_file("x.bin", "file:///nowhere") == path
        assert left_over(home) == ["x.bin"]

    def test_places(self, home, origin, tmp_path):
        assert get_file("x", origin, cache_subdir="models") == str(home / "models" / "x")
        assert get_file("x", origin, cache_dir=tmp_path / "c", cache_subdir="d") == str(tmp_path / "c" / "d" / "x")
        assert get_file(str(tmp_path / "deep" / "x"), origin) == str(tmp_path / "deep" / "x")

    @pytest.mark.parametrize("keywords", [{"file_hash": SHA256}, {"file_hash": MD5}, {"md5_hash": MD5},
                                          {"file_hash": MD5, "hash_algorithm": "md5"}, {"file_hash": SHA256.upper()}])
    def test_hashes(self, home, origin, keywords, capsys):
        path = home / "datasets" / "x"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"an old file")
        assert get_file("x", origin, **keywords) == str(path)
        assert path.read_bytes() == CONTENT
        assert "we will re-download" in capsys.readouterr().out
        get_file("x", "file:///nowhere", **keywords)
        assert capsys.readouterr().out == ""

    def test_another_hash_leaves_the_old_file(self, home, origin):
        path = home / "datasets" / "x"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"an old file")
        with pytest.raises(DownloadError, match="hash of the downloaded file") as caught:
            get_file("x", origin, file_hash="0" * 64)
        assert isinstance(caught.value, OSError)
        assert SHA256 in str(caught.value)
        assert path.read_bytes() == b"an old file"
        assert left_over(home) == ["x"]

    @pytest.mark.parametrize("error", [
        URLError("no network"), TimeoutError("too slow"), ConnectionResetError(104, "reset"),
        HTTPError("http://x", 404, "Not Found", None, io.BytesIO())])
    def test_no_network(self, home, monkeypatch, error):
        def fails(*_, **__):
            raise error

        monkeypatch.setattr(urllib.request, "urlopen", fails)
        with pytest.raises(DownloadError, match="URL fetch failure on http://example.com/x"):
            get_file("x", "http://example.com/x")
        assert left_over(home) == []

    @pytest.mark.parametrize(("length", "message"), [(20000, "ended too early"), (500, "more bytes")])
    def test_another_length(self, home, monkeypatch, length, message):
        answer = urllib.request.addinfourl(io.BytesIO(CONTENT), {"Content-Length": str(length)}, "http://x")
        monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: answer)
        with pytest.raises(DownloadError, match=message):
            get_file("x", "http://example.com/x")
        assert left_over(home) == []

    def test_other_urls(self, home):
        for url in ("data:,abc", "x.bin", "jar:file:///x"):
            with pytest.raises(ArgumentError, match="URL"):
                get_file("x", url)

    def test_untar(self, home, tmp_path):
        with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
            add(archive, "set/deep/a.txt", b"a")
        url = (tmp_path / "set.tar.gz").as_uri()
        assert get_file("set", url, untar=True) == str(home / "datasets" / "set")
        assert (home / "datasets" / "set" / "deep" / "a.txt").read_bytes() == b"a"
        (home / "datasets" / "set.tar.gz").unlink()
        assert get_file("set", "file:///nowhere", untar=True) == str(home / "datasets" / "set")
        with pytest.raises(DownloadError, match="does not hold"):
            get_file("other", url, untar=True)

    def test_extract(self, home, tmp_path):
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            archive.writestr("b.txt", "b")
        assert get_file("set.zip", (tmp_path / "set.zip").as_uri(), extract=True).endswith("set.zip")
        assert left_over(home) == ["b.txt", "set.zip"]

    def test_a_folder_that_cannot_be_written(self, home, origin, tmp_path, monkeypatch):
        monkeypatch.setattr(downloads, "_EVERYBODYS", str(tmp_path / "everybodys"))
        (tmp_path / "file").touch()
        assert get_file("x", origin, cache_dir=str(tmp_path / "file")) == str(tmp_path / "everybodys/datasets/x")
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)  # what lies there is somebody else's now
        with pytest.raises(StorageError, match="KERAS_HOME"):
            get_file("x", origin, cache_dir=str(tmp_path / "file"))


def test_validate_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(CONTENT)
    assert validate_file(path, SHA256)
    assert validate_file(path, MD5, chunk_size=7)
    assert not validate_file(path, MD5, algorithm="sha256")
    assert not validate_file(path, "0" * 64)
    with pytest.raises(ArgumentError, match="sha1"):
        validate_file(path, MD5, algorithm="sha1")


def add(archive, name, content=b"", **fields):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in fields.items():
        setattr(member, field, value)
    archive.addfile(member, io.BytesIO(content))


class TestArchives:
    @pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
    def test_tar(self, tmp_path, mode):
        with tarfile.open(tmp_path / "x", mode) as archive:
            add(archive, "./a/b.txt", b"new")
            add(archive, "empty", type=tarfile.DIRTYPE)
        (tmp_path / "out" / "a").mkdir(parents=True)
        (tmp_path / "out" / "a" / "b.txt").write_text("old")
        (tmp_path / "out" / "a" / "c.txt").write_text("stays")
        assert extract_archive(tmp_path / "x", tmp_path / "out")
        assert (tmp_path / "out" / "a" / "b.txt").read_text() == "new"
        assert left_over(tmp_path / "out") == ["b.txt", "c.txt"]
        assert (tmp_path / "out" / "empty").is_dir()

    def test_formats(self, tmp_path):
        (tmp_path / "x").write_bytes(b"neither")
        with zipfile.ZipFile(tmp_path / "z", "w") as archive:
            archive.writestr("a/", "")
            archive.writestr("a/b", "b")
        assert not extract_archive(tmp_path / "x", tmp_path)
        assert not extract_archive(tmp_path / "z", tmp_path, "tar")
        assert not extract_archive(tmp_path / "z", tmp_path, None)
        assert extract_archive(tmp_path / "z", tmp_path, ["tar", "zip"])
        assert (tmp_path / "a" / "b").read_text() == "b"
        with pytest.raises(ArgumentError, match="7z"):
            extract_archive(tmp_path / "z", tmp_path, "7z")

    @pytest.mark.parametrize(("name", "fields"), [
        ("../evil", {}), ("/evil", {}), ("a/../../evil", {}), ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc"}),
        ("hard", {"type": tarfile.LNKTYPE, "linkname": "a.txt"}), ("device", {"type": tarfile.CHRTYPE}),
        ("pipe", {"type": tarfile.FIFOTYPE}), ("a.txt/b", {})])
    def test_hostile_tar(self, tmp_path, name, fields):
        with tarfile.open(tmp_path / "x.tar", "w") as archive:
            add(archive, "a.txt", b"a")
            add(archive, name, **fields)
        with pytest.raises(ArchiveError):
            extract_archive(tmp_path / "x.tar", tmp_path / "out")
        assert list((tmp_path / "out").iterdir()) == []
        assert not (tmp_path / "evil").exists()

    def test_hostile_zip(self, tmp_path):
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        for member in ("../evil", link):
            with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
                archive.writestr(member, "/etc")
            with pytest.raises(ArchiveError, match=r"leads out|a link"):
                extract_archive(tmp_path / "x.zip", tmp_path / "out")
            assert list((tmp_path / "out").iterdir()) == []

    def test_too_much(self, tmp_path, monkeypatch):
        with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as archive:
            add(archive, "a", bytes(3000))
            add(archive, "b")
        monkeypatch.setattr(archives, "MAX_BYTES", 2999)
        with pytest.raises(ArchiveError, match="too large"):
            extract_archive(tmp_path / "x.tar.gz", tmp_path / "out")
        monkeypatch.setattr(archives, "MAX_BYTES", 3000)
        monkeypatch.setattr(archives, "MAX_FILES", 1)
        with pytest.raises(ArchiveError, match="too many"):
            extract_archive(tmp_path / "x.tar.gz", tmp_path / "out")
        assert left_over(tmp_path / "out") == []

    def test_cut_off(self, tmp_path, monkeypatch):
        monkeypatch.setattr(archives, "_PIECE", 512)
        with tarfile.open(tmp_path / "x", "w") as archive:
            add(archive, "a", os.urandom(3000))
        packed = gzip.compress((tmp_path / "x").read_bytes())
        for length in (len(packed) // 2, len(packed) - 4):
            (tmp_path / "x").write_bytes(packed[:length])
            with pytest.raises(ArchiveError, match="broken"):
                extract_archive(tmp_path / "x", tmp_path / "out", "tar")
            assert left_over(tmp_path / "out") == []


@pytest.fixture
def numbers(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.arange(40.0).reshape(20, 2)
        file["y"] = np.arange(20.0)
        file["group/deep"] = np.arange(3)
        file["scalar"] = 1.0
        file["link"] = h5py.ExternalLink(tmp_path / "other.h5", "x")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros((2, 2))
    return tmp_path / "x.h5"


class TestHDF5Matrix:
    WHOLE = np.arange(40.0).reshape(20, 2)

    def test_facts(self, numbers):
        x = HDF5Matrix(str(numbers), "x", start=5, end=15)
        assert (x.shape, x.ndim, x.size, len(x), x.dtype) == ((10, 2), 2, 20, 10, np.float64)
        assert HDF5Matrix(numbers, "group/deep").shape == (3,)

    @pytest.mark.parametrize("key", [
        0, 9, -1, np.int64(3), slice(None), slice(2, 7), slice(None, None, 3), slice(-3, None), slice(7, 2, -2),
        slice(4, 4), [1, 5, 7], [7, 1, 1], np.array([0, 9, -1]), np.array([], int), np.arange(10) % 3 == 0])
    def test_rows(self, numbers, key):
        x, expected = HDF5Matrix(numbers, "x", start=5, end=15), self.WHOLE[5:15][key]
        assert x[key].shape == expected.shape
        np.testing.assert_array_equal(x[key], expected)

    def test_array(self, numbers):
        np.testing.assert_array_equal(np.asarray(HDF5Matrix(numbers, "x", 3)), self.WHOLE[3:])

    @pytest.mark.parametrize("key", [10, -11, [0, 10], slice(5, 11), np.array([-11])])
    def test_rows_that_are_not_there(self, numbers, key):
        with pytest.raises(IndexRangeError):
            HDF5Matrix(numbers, "x", start=5, end=15)[key]

    def test_normalizer(self, numbers):
        x = HDF5Matrix(numbers, "x", normalizer=lambda rows: (rows / 2).astype("float32")[..., np.newaxis])
        assert (x.shape, x.dtype) == ((20, 2, 1), np.float32)
        for key in (slice(3, 6), [6, 2]):
            np.testing.assert_array_equal(x[key], self.WHOLE[key].astype("float32")[..., np.newaxis] / 2)
        assert x[2].shape == (2, 1)

    def test_one_open_file(self, numbers):
        one, other = (HDF5Matrix(numbers, name) for name in "xy")
        assert one._file is other._file is HDF5Matrix.refs[str(numbers)]
        one._file.close()
        assert len(HDF5Matrix(numbers, "x")[:]) == 20
        del one, other
        assert str(numbers) not in HDF5Matrix.refs

    @pytest.mark.parametrize("name", ["nothing", "group", "scalar", "link"])
    def test_no_array_in_the_file(self, numbers, name):
        with pytest.raises(ModelFormatError, match=name):
            HDF5Matrix(numbers, name)

    def test_bad_arguments(self, numbers):
        with pytest.raises(ArgumentError, match="rows that are not there"):
            HDF5Matrix(numbers, "x", end=21)
        with pytest.raises(OSError):
            HDF5Matrix(numbers.parent / "nowhere.h5", "x")

    @pytest.mark.parametrize("shuffle", ["batch", True, False])
    def test_training(self, numbers, monkeypatch, shuffle):
        monkeypatch.setattr(K.config._settings, "target", "reference")  # nothing is compiled
        losses = []
        for wrap in (HDF5Matrix, lambda path, name, **_: h5py.File(path)[name][:16]):
            np.random.seed(0)
            x, y = (wrap(numbers, name, end=16) for name in "xy")
            model = Sequential([Dense(1, kernel_initializer="zeros", input_shape=(2,))])
            model.compile("sgd", "mse")
            fitted = model.fit(x, y, batch_size=4, epochs=2, shuffle=shuffle, verbose=0)
            losses.append([*fitted.history["loss"], model.evaluate(x, y, verbose=0), *model.predict(x).ravel()])
        np.testing.assert_array_equal(*losses)
