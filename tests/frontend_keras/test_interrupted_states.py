"""States after something went wrong half-way, or was bound at another time: whole, and with the same bits."""

import os
import time

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import optimizers
from graphc.frontend_keras.layers import Dense, Embedding, Flatten
from graphc.frontend_keras.models import Sequential
from graphc.ir.parser import parse
from graphc.runtime import binding
from graphc.runtime.cache import KernelCache
from graphc.runtime.scales import Scale


def test_a_new_batch_size_does_not_multiply_a_scale_in():
    """It did, so that the bits of a training depended on when which batch sizes were first met."""
    model = Sequential([Embedding(4096, 6, input_length=2), Flatten(), Dense(1)])
    model.compile(optimizers.RMSprop(rho=0.5), "mse")
    words, y = np.arange(12).reshape(6, 2), np.ones((6, 1))
    for size in (6, 6, 3):
        model.train_on_batch(words[:size], y[:size])
    (scale,) = [v.parts()[1] for v in model.optimizer.weights if v.parts()[1] is not None]
    assert scale == 0.5 ** 3


def test_settling_a_scale_is_all_or_nothing(monkeypatch):
    """The table was multiplied before an allocation that may fail, and the scale stayed."""
    scale, table = Scale("float32"), np.full(3, 4, "f4")
    scale.array[...] = 0.5

    def fails(*_):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(np, "abs", fails)
        with pytest.raises(MemoryError):
            scale.settle(table)
    scale.settle(table)
    np.testing.assert_array_equal(table, np.full(3, 2, "f4"))


def test_variables_are_set_together_or_not_at_all():
    a, b = K.variable(np.zeros(2)), K.variable(np.zeros(3))
    with pytest.raises(ShapeError):
        K.batch_set_value([(a, np.ones(2)), (b, np.ones(4))])
    assert not K.get_value(a).any()
    K.batch_set_value([(a, np.ones(2)), (b, [1, 2, 3])])
    assert K.get_value(a).tolist() == [1, 1] and K.get_value(b).tolist() == [1, 2, 3]


def test_first_values_that_nobody_sees_are_not_computed(monkeypatch):
    """A model that is loaded computed random weights first, which took longer than reading the file."""
    fresh, seen = (K.random_uniform_variable((3,), 0, 1) for _ in range(2))
    array = seen.array

    def fails(*_):
        raise AssertionError("computed")

    value = np.arange(3.0)
    with monkeypatch.context() as patched:
        patched.setattr("graphc.frontend_keras.backend.variables.values_of", fails)
        K.batch_set_value([(fresh, value + 1), (seen, value), (fresh, value)])
        assert K.get_value(fresh).tolist() == K.get_value(seen).tolist() == [0, 1, 2]
    value[:] = 7
    assert K.get_value(fresh).tolist() == [0, 1, 2] and seen.array is array


def test_first_values_are_set_together_or_not_at_all():
    a, b = (K.random_uniform_variable((2,), 0, 1) for _ in range(2))
    with pytest.raises(ShapeError):
        K.batch_set_value([(a, np.ones(2)), (b, np.ones(4))])
    assert (K.get_value(a) < 1).all()


def test_a_binding_that_fails_after_the_arena_has_moved(monkeypatch):
    """The bindings that were there kept addresses in the old arena, which was gone."""
    f = compile_graph(parse("graph g(%x: f32[B,64]) {\n  %a = exp(%x)\n  %s = reduce_sum(%a){axes=(0,)}\n  return %s\n}"))
    small, large = np.ones((2, 64), "f4"), np.ones((200, 64), "f4")
    expected = f(small)[0]

    def fails(self):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(binding.Binding, "_assemble", fails)
        with pytest.raises(MemoryError):
            f(large)
    assert not f._bindings
    np.testing.assert_array_equal(f(small)[0], expected)


def test_what_a_killed_process_left_in_the_cache_goes(tmp_path):
    cache = KernelCache(tmp_path / "kernels")
    old, new = tmp_path / "kernels" / ".new-1", tmp_path / "kernels" / ".new-2"
    for file in (old, new):
        file.write_text("half an entry")
    os.utime(old, (time.time() - 1e6,) * 2)
    cache.put("k_0123456789", "source", b"code")
    assert not old.exists() and new.exists()
