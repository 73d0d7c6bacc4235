"""Data sets from small files in their usual formats; the network is never asked."""

import gzip
import hashlib
import io
import json
import pickle
import tarfile
import urllib.request
import zipfile
from urllib.error import URLError

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import datasets
from graphc.frontend_keras.datasets import files
from graphc.frontend_keras.datasets.files import DataFormatError, MissingDataError
from graphc.frontend_keras.datasets.pickled import PickleError

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A folder of data sets, and no network."""
    def no_network(url, **_):
        raise URLError(f"no network for {url}")

    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    folder = tmp_path / "home" / "datasets"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(params=["channels_last", "channels_first"])
def data_format(request):
    before = K.image_data_format()
    K.set_image_data_format(request.param)
    yield request.param
    K.set_image_data_format(before)


def lists(*texts):
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array


class TestMissing:
    @pytest.mark.parametrize(("load", "name", "url"), [
        (datasets.mnist.load_data, "mnist.npz", "https://s3.amazonaws.com/img-datasets/mnist.npz"),
        (datasets.boston_housing.load_data, "boston_housing.npz", "keras-datasets/boston_housing.npz"),
        (datasets.imdb.load_data, "imdb.npz", "text-datasets/imdb.npz"),
        (datasets.imdb.get_word_index, "imdb_word_index.json", "text-datasets/imdb_word_index.json"),
        (datasets.reuters.load_data, "reuters.npz", "text-datasets/reuters.npz"),
        (datasets.reuters.get_word_index, "reuters_word_index.json", "text-datasets/reuters_word_index.json"),
        (datasets.cifar10.load_data, "cifar-10-batches-py.tar.gz", "kriz/cifar-10-python.tar.gz"),
        (datasets.cifar100.load_data, "cifar-100-python.tar.gz", "kriz/cifar-100-python.tar.gz"),
        (datasets.fashion_mnist.load_data, "train-labels-idx1-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    ])
    def test_says_what_is_missing(self, home, load, name, url):
        with pytest.raises(MissingDataError, match="is not there, and could not be downloaded") as caught:
            load()
        assert isinstance(caught.value, FileNotFoundError)
        assert str(caught.value).startswith(f"{home}")
        assert f": {name} is not there" in str(caught.value)
        assert f"{url} and put it there as {name}." in str(caught.value)

    def test_another_file_of_that_name(self, home, capsys):
        np.savez(home / "mnist.npz", x_train=np.zeros(3))
        with pytest.raises(MissingDataError, match=r"mnist.npz is another file than that of the data set"):
            datasets.mnist.load_data()
        assert "re-download" in capsys.readouterr().out
        assert (home / "mnist.npz").exists()

    def test_the_file_itself(self, home, monkeypatch):
        np.savez(home / "boston_housing.npz", x=np.zeros((5, 13)), y=np.arange(5.0))
        monkeypatch.setattr(datasets.boston_housing, "_HASH",
                            hashlib.sha256((home / "boston_housing.npz").read_bytes()).hexdigest())
        (x_train, _), (x_test, _) = datasets.boston_housing.load_data()
        assert (len(x_train), len(x_test)) == (4, 1)

    def test_an_absolute_path(self, tmp_path):
        with pytest.raises(MissingDataError, match=f"{tmp_path}/nowhere/mnist.npz is not there"):
            datasets.mnist.load_data(str(tmp_path / "nowhere" / "mnist.npz"))


def test_mnist(tmp_path):
    arrays = {"x_train": RNG.integers(0, 256, (5, 28, 28), "uint8"), "y_train": np.arange(5, dtype="uint8"),
              "x_test": RNG.integers(0, 256, (2, 28, 28), "uint8"), "y_test": np.arange(2, dtype="uint8")}
    np.savez(tmp_path / "m.npz", **arrays)
    (x_train, y_train), (x_test, y_test) = datasets.mnist.load_data(str(tmp_path / "m.npz"))
    for found, name in ((x_train, "x_train"), (y_train, "y_train"), (x_test, "x_test"), (y_test, "y_test")):
        np.testing.assert_array_equal(found, arrays[name])
        assert found.dtype == np.uint8
        assert found.flags.writeable


def test_boston_housing(tmp_path):
    x, y = RNG.normal(size=(10, 13)), np.arange(10.0)
    np.savez_compressed(tmp_path / "b.npz", x=x, y=y)
    (x_train, y_train), (x_test, y_test) = datasets.boston_housing.load_data(str(tmp_path / "b.npz"), test_split=0.3,
                                                                             seed=7)
    order = np.arange(10)
    np.random.RandomState(7).shuffle(order)
    assert y_train.tolist() == order[:7].tolist()
    assert y_test.tolist() == order[7:].tolist()
    np.testing.assert_array_equal(np.concatenate([x_train, x_test]), x[order])
    with pytest.raises(ArgumentError, match="test_split"):
        datasets.boston_housing.load_data(test_split=1)


def write_idx(path, array):
    magic = {1: 2049, 3: 2051}[array.ndim]
    with gzip.open(path, "wb") as file:
        file.write(np.array([magic, *array.shape], ">u4").tobytes() + array.tobytes())


class TestFashionMnist:
    @pytest.fixture
    def arrays(self, home):
        (home / "fashion-mnist").mkdir()
        found = {}
        for part, count in (("train", 6), ("t10k", 3)):
            found[part] = RNG.integers(0, 256, (count, 28, 28), "uint8"), RNG.integers(0, 10, count, "uint8")
            for kind, array in zip(("images-idx3", "labels-idx1"), found[part]):
                write_idx(home / "fashion-mnist" / f"{part}-{kind}-ubyte.gz", array)
        return found

    def test_arrays(self, arrays):
        for found, expected in zip(datasets.fashion_mnist.load_data(), (arrays["train"], arrays["t10k"])):
            for one, other in zip(found, expected):
                np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("content", [
        b"no gzip", gzip.compress(b""), gzip.compress(b"\0\0\x08\x03" + b"\0" * 8),
        gzip.compress(b"\0\0\x08\x01" + b"\0\0\0\x05" + b"1234"), gzip.compress(b"\0\0\x08\x01\xff\xff\xff\xff1"),
        gzip.compress(bytes(100))[:30]])
    def test_broken_files(self, home, arrays, content):
        (home / "fashion-mnist" / "train-labels-idx1-ubyte.gz").write_bytes(content)
        with pytest.raises(DataFormatError):
            datasets.fashion_mnist.load_data()

    def test_different_numbers(self, home, arrays):
        write_idx(home / "fashion-mnist" / "train-labels-idx1-ubyte.gz", np.zeros(5, "uint8"))
        with pytest.raises(DataFormatError, match="different numbers of samples"):
            datasets.fashion_mnist.load_data()

    def test_too_large(self, arrays, monkeypatch):
        monkeypatch.setattr(files.read_bounded, "__defaults__", (4000,))
        with pytest.raises(DataFormatError, match="too large"):
            datasets.fashion_mnist.load_data()


def batch(count, **labels):
    images = RNG.integers(0, 256, (count, 3072), "uint8")
    return images, pickle.dumps({b"data": images, b"batch_label": b"x"}
                                | {key.encode(): value for key, value in labels.items()}, 2)


class TestCifar:
    def test_cifar10(self, home, data_format):
        folder, images, labels = home / "cifar-10-batches-py", [], []
        folder.mkdir()
        for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            labels.append(RNG.integers(0, 10, 2).tolist())
            pixels, content = batch(2, labels=labels[-1])
            images.append(pixels.reshape(2, 3, 32, 32))
            (folder / name).write_bytes(content)
        (x_train, y_train), (x_test, y_test) = datasets.cifar10.load_data()
        assert (y_train.dtype, y_train.tolist()) == (np.uint8, np.reshape(labels[:5], (10, 1)).tolist())
        assert y_test.tolist() == np.reshape(labels[5], (2, 1)).tolist()
        channels = 3 if data_format == "channels_last" else 1
        for found, expected in ((x_train, np.concatenate(images[:5])), (x_test, images[5])):
            np.testing.assert_array_equal(np.moveaxis(found, channels, 1), expected)

    @pytest.mark.parametrize(("label_mode", "expected"), [("fine", [[50], [99]]), ("coarse", [[1], [2]])])
    def test_cifar100_from_its_archive(self, home, label_mode, expected):
        with tarfile.open(home / "cifar-100-python.tar.gz", "w:gz") as archive:
            for name in ("train", "test"):
                pixels, content = batch(2, fine_labels=[50, 99], coarse_labels=[1, 2])
                member = tarfile.TarInfo(f"cifar-100-python/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        (_, y_train), (x_test, y_test) = datasets.cifar100.load_data(label_mode)
        assert y_train.tolist() == y_test.tolist() == expected
        np.testing.assert_array_equal(x_test, pixels.reshape(2, 3, 32, 32).transpose(0, 2, 3, 1))
        with pytest.raises(ArgumentError, match="label_mode"):
            datasets.cifar100.load_data("all")

    @pytest.mark.parametrize("content", [
        b"", pickle.dumps([1], 2), pickle.dumps({b"data": 1, b"labels": []}, 2), batch(2, labels=[1])[1],
        batch(2, labels=[1, 256])[1], batch(2, labels=[1, "2"])[1], batch(2)[1],
        pickle.dumps({b"data": np.zeros((2, 3072)), b"labels": [1, 2]}, 2), pickle.dumps({b"data": print}, 2)])
    def test_broken_files(self, home, content):
        (home / "cifar-100-python").mkdir()
        (home / "cifar-100-python" / "train").write_bytes(content)
        with pytest.raises((DataFormatError, PickleError)):
            datasets.cifar.load_batch(home / "cifar-100-python" / "train")


class TestImdb:
    TRAIN, TEST = ([4, 1, 9], [2], [7, 8, 5, 5, 5], [1, 1]), ([3, 300], [6, 6, 6])

    @pytest.fixture
    def path(self, tmp_path):
        np.savez(tmp_path / "i.npz", x_train=lists(*self.TRAIN), y_train=np.array([0, 1, 0, 1]),
                 x_test=lists(*self.TEST), y_test=np.array([1, 0]))
        return str(tmp_path / "i.npz")

    def in_order(self, seed=113):
        drawn = np.random.RandomState(seed)
        orders = [np.arange(4), np.arange(2)]
        for order in orders:
            drawn.shuffle(order)
        return [self.TRAIN[i] for i in orders[0]], [self.TEST[i] for i in orders[1]], orders

    def test_texts(self, path):
        (x_train, y_train), (x_test, y_test) = datasets.imdb.load_data(path)
        train, test, orders = self.in_order()
        # the largest number there is, 303, is itself taken for out of vocabulary, as in Keras
        assert x_train.tolist() == [[1] + [word + 3 for word in text] for text in train]
        assert x_test.tolist() == [[1] + [word + 3 if word < 300 else 2 for word in text] for text in test]
        assert y_train.tolist() == [[0, 1, 0, 1][i] for i in orders[0]]
        assert y_test.tolist() == [[1, 0][i] for i in orders[1]]
        assert x_train.dtype == object
        assert type(x_train[0]) is list

    def test_words_that_are_left_out(self, path):
        (x_train, _), _ = datasets.imdb.load_data(path, num_words=8, skip_top=5, seed=4)
        train, _, _ = self.in_order(4)
        assert x_train.tolist() == [[2] + [word + 3 if 5 <= word + 3 < 8 else 2 for word in text] for text in train]
        (x_train, _), _ = datasets.imdb.load_data(path, num_words=6, skip_top=2, start_char=None, oov_char=None,
                                                index_from=0)
        train, _, _ = self.in_order()
        assert x_train.tolist() == [[word for word in text if 2 <= word < 6] for text in train]

    def test_maxlen(self, path):
        (x_train, y_train), (x_test, y_test) = datasets.imdb.load_data(path, maxlen=4)
        train, test, _ = self.in_order()
        kept = [len(text) for text in train + test if len(text) < 3]
        assert [len(text) - 1 for text in (*x_train, *x_test)] == kept
        assert len(x_train) == len(y_train) == min(4, len(kept))
        assert len(x_test) == len(y_test)
        with pytest.raises(ArgumentError, match="Increase maxlen"):
            datasets.imdb.load_data(path, maxlen=1)

    def test_old_name(self, path):
        with pytest.warns(UserWarning, match="renamed `num_words`"):
            (x_train, _), _ = datasets.imdb.load_data(path, nb_words=5)
        assert max(map(max, x_train)) < 5
        with pytest.raises(TypeError, match="Unrecognized"):
            datasets.imdb.load_data(path, words=5)

    def test_word_index(self, tmp_path):
        (tmp_path / "w.json").write_text(json.dumps({"the": 1, "ünï": 2}))
        assert datasets.imdb.get_word_index(str(tmp_path / "w.json")) == {"the": 1, "ünï": 2}
        for bad in ("{", "[1]", '{"a": "b"}', "[" * 100000):
            (tmp_path / "w.json").write_text(bad)
            with pytest.raises(DataFormatError):
                datasets.reuters.get_word_index(str(tmp_path / "w.json"))


def test_reuters(tmp_path):
    texts = [[word, word + 1] for word in range(1, 11)]
    np.savez(tmp_path / "r.npz", x=lists(*texts), y=np.arange(10))
    (x_train, y_train), (x_test, y_test) = datasets.reuters.load_data(str(tmp_path / "r.npz"), test_split=0.4, seed=3,
                                                                      num_words=99)
    order = np.arange(10)
    np.random.RandomState(3).shuffle(order)
    assert (y_train.tolist(), y_test.tolist()) == (order[:6].tolist(), order[6:].tolist())
    assert [*x_train, *x_test] == [[1, texts[i][0] + 3, texts[i][1] + 3] for i in order]


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("array", [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)),
                                   np.array([True, False]), np.arange(3, dtype=">u2")], ids=str)
def test_arrays_of_npz(tmp_path, array, version):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive, archive.open("x.npy", "w") as file:
        np.lib.format.write_array(file, array, version)
    found, = files.arrays_of(str(tmp_path / "x.npz"), "x")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


class TestHostileNpz:
    def npz(self, tmp_path, **members):
        with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)
        return str(tmp_path / "x.npz")

    def npy(self, header, content=b""):
        text = (repr(header) if isinstance(header, dict) else header).encode()
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content

    @pytest.mark.parametrize(("header", "content"), [
        ({"descr": "<f8", "fortran_order": False, "shape": (2**60,)}, b"12345678"),
        ({"descr": "<f8", "fortran_order": False, "shape": (2,)}, b"12345678"),
        ({"descr": "<f8", "fortran_order": False, "shape": (-1, -1)}, b"12345678"),
        ({"descr": "<f8", "fortran_order": False, "shape": ()}, b"12345678"),
        ({"descr": "|O", "fortran_order": False, "shape": (1,)}, pickle.dumps(print)),
        ({"descr": "|V8", "fortran_order": False, "shape": (1,)}, b"12345678"),
        ({"descr": [("a", "<f8")], "fortran_order": False, "shape": (1,)}, b"12345678"),
        ("{'descr': __import__('os')}", b""), ("(" * 9000, b""), ("", b"")])
    def test_arrays(self, tmp_path, header, content):
        path = self.npz(tmp_path, x=self.npy(header, content), y=self.npy(header, content))
        with pytest.raises((DataFormatError, PickleError)):
            datasets.boston_housing.load_data(path)

    @pytest.mark.parametrize("content", [
        pickle.dumps(print), pickle.dumps([1, "a"]), pickle.dumps(5), pickle.dumps(lists([1], "a"), 2),
        pickle.dumps(lists([1], [2.5]), 2), pickle.dumps(lists([1], [[1]]), 2), pickle.dumps(lists([1]), 2)])
    def test_texts(self, tmp_path, content):
        header = {"descr": "|O", "fortran_order": False, "shape": (2,)}
        labels = io.BytesIO()
        np.save(labels, np.arange(2))
        path = self.npz(tmp_path, x=self.npy(header, content), y=labels.getvalue())
        with pytest.raises((DataFormatError, PickleError)):
            datasets.reuters.load_data(path)

    def test_files(self, tmp_path):
        whole = self.npz(tmp_path, x=b"no array")
        with pytest.raises(DataFormatError, match=r"not a file of arrays.*expected an \.npz file with x, y"):
            datasets.boston_housing.load_data(whole)
        content = (tmp_path / "x.npz").read_bytes()
        for broken in (b"", content[:-30], content[:40] + content[60:]):
            (tmp_path / "x.npz").write_bytes(broken)
            with pytest.raises(DataFormatError):
                datasets.boston_housing.load_data(whole)

    def test_a_bomb(self, tmp_path, monkeypatch):
        header = {"descr": "|u1", "fortran_order": False, "shape": (100_000,)}
        path = self.npz(tmp_path, x=self.npy(header, bytes(100_000)))
        monkeypatch.setattr(files.read_bounded, "__defaults__", (50_000,))
        with pytest.raises(DataFormatError, match="too large"):
            datasets.boston_housing.load_data(path)
