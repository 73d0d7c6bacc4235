"""Pickles of numbers are read as pickle itself reads them; others are refused, and nothing is run."""

import contextlib
import os
import pickle
import struct

import numpy as np
import pytest

from graphc.frontend_keras.datasets import pickled
from graphc.frontend_keras.datasets.pickled import PickleError, loads

VALUES = [1, -5, 3000, 70000, 2**40, -(2**70), None, True, False, 1.5, "text", "ünï", b"bytes", [1, 2, [3]], (), (1,),
          (1, 2), (1, 2, 3), (1, 2, 3, 4), {"a": 1, "b": [2]}, [list(range(3000))] * 2]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
class TestAsPickleDoes:
    @pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:20])
    def test_values(self, protocol, value):
        found = loads(pickle.dumps(value, protocol), "x")
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3), np.arange(6, dtype="f4").reshape(2, 3).T,
                                       np.arange(4, dtype="u1"), np.arange(3, dtype=">i4"), np.array([True]),
                                       np.array(3.0)], ids=str)
    def test_arrays(self, protocol, array):
        found = loads(pickle.dumps({"data": array}, protocol), "x")["data"]
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
        assert found.flags.writeable

    def test_arrays_of_lists(self, protocol):
        array = np.empty(3, dtype=object)
        array[:] = [[1, 2], [], [300]]
        assert loads(pickle.dumps(array, protocol), "x") == [[1, 2], [], [300]]
        assert loads(pickle.dumps([np.int64(5), np.float32(0.5)], protocol), "x") == [5, 0.5]


def test_pickles_of_python_2():
    """As the files of CIFAR begin: dicts of byte strings, which the comments of pickletools describe."""
    data = (b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03(K\x06K\x09eU\x04dataq\x04cnumpy.core.multiarray\n_reconstruct\n"
            b"q\x05cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x02K\x02\x86cnumpy\ndtype\nq\x08U\x02u1K\x00"
            b"K\x01\x87Rq\x09(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x01\x02\x03\x04tbu.")
    found = loads(data, "x")
    assert found[b"labels"] == [6, 9]
    np.testing.assert_array_equal(found[b"data"], np.array([[1, 2], [3, 4]], "u1"))


class Runs:
    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called

    def __str__(self):
        return f"calls {self.called[0].__name__}"


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("value", [Runs(os.mkdir, "canary"), Runs(eval, "1"), Runs(getattr, 1, "real"), print,
                                   Runs(np.ndarray, (2,)), 1 + 2j, {1, 2}, range(3), Runs(bytearray, 10**9)], ids=str)
def test_everything_else_is_refused(protocol, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PickleError):
        loads(pickle.dumps({"data": value}, protocol), "x")
    assert list(tmp_path.iterdir()) == []


ARRAY = pickle.dumps(np.arange(4, dtype="<i4"), 2)


@pytest.mark.parametrize(("old", "new"), [
    (b"K\x04\x85", b"K\x05\x85"), (b"K\x04\x85", b"M\xff\xff\x85"), (b"K\x04\x85", b"J\xff\xff\xff\xff\x85"),
    (b"i4", b"O8"), (b"i4", b"V4"), (b"i4", b"i3"), (b"X\x01\x00\x00\x00<", b"X\x01\x00\x00\x00x"),
    (b"K\x04\x85", b"K\x02K\x02\x86K\x02\x85")])
def test_arrays_that_lie(old, new):
    assert old in ARRAY
    with pytest.raises(PickleError):
        loads(ARRAY.replace(old, new, 1), "x")


def nested_key(depth):
    """A tuple of two equal tuples of two equal ... as key of a dict: hashing it would take 2**depth steps."""
    return b"\x80\x02}" + b")" + b"q\x00h\x00\x86" * depth + b"K\x01s."


@pytest.mark.parametrize("data", [
    b"", b".", b"\x80", b"\x80\x09N.", b"N", b"NN.", b"(.", b"\x80\x02]K\x01a", b"\x80\x02K\x01K\x02a.", b"K\x01R.",
    b"h\x05.", b"X\xff\xff\xff\xffabc.", b"T\xff\xff\xff\xffabc.", b"\x8e" + b"\xff" * 8 + b".", b"r\xff\xff\xff\xff.",
    b"}]K\x01s.", b"]K\x01e.", b"cos\n", b"\xff.", b"X\x01\x00\x00\x00\xff.", nested_key(60), b"(" * 10000, b"a.",
    b"NK\x01b."])
def test_broken_pickles(data):
    with pytest.raises(PickleError):
        loads(data, "x")


def test_too_many_operations(monkeypatch):
    data = pickle.dumps([[1]] * 500, 2)
    assert len(loads(data, "x")) == 500
    monkeypatch.setattr(pickled, "MAX_OPERATIONS", 400)
    with pytest.raises(PickleError, match="too large"):
        loads(data, "x")


def test_places_of_the_memo_cost_nothing():
    assert loads(b"Nr" + struct.pack("<I", 2**32 - 1) + b".", "x") is None


def test_any_changed_byte():
    rng = np.random.default_rng(0)
    array = np.empty(2, dtype=object)
    array[:] = [[1, 2, 3000], [4]]
    data = bytearray(pickle.dumps({"data": np.arange(4, dtype="u1"), "labels": [1, 2]}, 2) + pickle.dumps(array, 2))
    for _ in range(1000):
        changed = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            changed[place] = rng.integers(0, 256)
        with contextlib.suppress(PickleError):
            loads(bytes(changed[rng.integers(0, 2) * rng.integers(len(data)):]), "x")
