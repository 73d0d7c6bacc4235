"""Views: every element of a chain of movers lies where its view says."""

import numpy as np
import pytest

from graphc.ir import Builder, TensorType, dtype_of, symbol
from graphc.ir.dims import bind
from graphc.ir.evaluate import evaluate
from graphc.ir.views import Digit, View, packed, stored, view_of

F64 = dtype_of("f64")


def offsets_of(view, sizes=None):
    """The place of every element in the stored value."""
    def along(axis):
        places = np.zeros(1, int)
        for digit in axis:
            extent, stride = (int(bind(d, sizes or {})) for d in (digit.extent, digit.stride))
            places = (places[:, None] + stride * np.arange(extent)).reshape(-1)
        return places

    total = np.array(int(bind(view.offset, sizes or {})))
    for axis in view.axes:
        total = total[..., None] + along(axis)
    return total


def mover(rng, b, x):
    shape = x.type.shape
    rank = len(shape)
    kind = rng.choice(["transpose", "reshape", "windows", "slice", "reverse", "broadcast"])
    if kind == "transpose":
        return b.emit(kind, x, perm=tuple(int(i) for i in rng.permutation(rank)))
    if kind == "reverse":
        return b.emit(kind, x, axes=tuple(sorted({int(i) for i in rng.integers(0, rank, 2)})))
    if kind == "slice":
        starts = tuple(int(rng.integers(0, d)) for d in shape)
        return b.emit(kind, x, starts=starts, limits=shape, strides=tuple(int(s) for s in rng.integers(1, 3, rank)))
    if kind == "windows":
        axis = int(rng.integers(0, rank))
        size = int(rng.integers(1, min(shape[axis], 3) + 1))
        return b.emit(kind, x, axes=(axis,), shape=(size,), strides=(int(rng.integers(1, 3)),), dilations=(1,))
    if kind == "broadcast":
        return b.emit(kind, x, axes=tuple(range(1, rank + 1)), shape=(2, *shape))
    flat = int(np.prod(shape))
    cut = int(rng.choice([d for d in range(1, flat + 1) if flat % d == 0]))
    return b.emit(kind, x, shape=(cut, flat // cut))


@pytest.mark.parametrize("seed", range(60))
def test_random_chains(seed):
    rng = np.random.default_rng(seed)
    b = Builder()
    x = b.input(TensorType(F64, (4, 6, 5)), "x")
    value = x
    for _ in range(rng.integers(1, 6)):
        if np.prod(value.type.shape) < 4000:
            value = mover(rng, b, value)
    graph = b.graph([value])
    producers = graph.producers()
    view, blocked = view_of(value, producers, lambda op: False)
    numbers = np.arange(120.0).reshape(4, 6, 5)
    every = evaluate(graph, [numbers], every=True)
    assert (view.value == x) == (blocked is None)
    places = offsets_of(view)
    np.testing.assert_array_equal(every[view.value].reshape(-1)[places], every[value])
    assert packed(view) == np.array_equal(places.reshape(-1), np.arange(places.size))


def test_a_stored_value_is_one_digit_an_axis():
    value = Builder().input(TensorType(F64, (2, 1, 3)), "x")
    assert stored(value) == View(value, 0, ((Digit(2, 3),), (), (Digit(3, 1),)))


def test_the_windows_of_an_image_have_the_lines_of_the_window_as_runs():
    b, n = Builder(), symbol("N")
    x = b.input(TensorType(F64, (n, 10, 12, 4)), "x")
    seen = b.emit("windows", x, axes=(1, 2), shape=(3, 5), strides=(1, 2), dilations=(1, 1))
    matrix = b.emit("reshape", seen, shape=(n * 8 * 4, 60))
    view, blocked = view_of(matrix, b.graph([matrix]).producers(), lambda op: False)
    assert blocked is None
    rows, columns = view.axes
    assert rows == (Digit(n, 480), Digit(8, 48), Digit(4, 8))
    assert columns == (Digit(3, 48), Digit(20, 1))


def test_what_does_not_fit_is_stored():
    b = Builder()
    x = b.input(TensorType(F64, (4, 6)), "x")
    part = b.emit("slice", b.emit("reshape", b.emit("transpose", x, perm=(1, 0)), shape=(24,)),
                  starts=(1,), limits=(24,), strides=(1,))
    graph = b.graph([part])
    view, blocked = view_of(part, graph.producers(), lambda op: False)
    assert blocked is graph.producers()[part]
    assert view == stored(part)
