"""T1 with few calls: many threads, the same bits."""

import threading

import numpy as np
import pytest

from graphc import frontend_keras as keras
from graphc.frontend_keras.backend.variables import Variable
from graphc.runtime import assembly, binding, driver, threads
from graphc.runtime.guards import guard_of
from graphc.runtime.writes import WRITES
from tests.soak import threads as soak
from tests.soak.models import fresh


@pytest.fixture(params=[False, True], ids=["as is", "shared"])
def shared(request, monkeypatch):
    """Kernels are shared as their cost says, then all of them."""
    if request.param:
        monkeypatch.setattr(assembly, "PARALLEL_WORK", 0)


@pytest.mark.parametrize(("check", "amount"), [
    (soak.same_function, 12), (soak.different_models, 6), (soak.train_beside_predict, 40), (soak.first_calls, 2),
    (soak.built_in_threads, 1), (soak.resized, 0.5), (soak.in_executors, 8)], ids=lambda p: getattr(p, "__name__", ""))
def test_the_same_bits_as_from_one_thread(shared, check, amount):
    seen = check(amount, 4)
    assert seen.calls
    assert not seen.found


def test_a_binding_keeps_to_one_number_of_threads(monkeypatch):
    """Scratch memory for one thread and a pool of three: kernels wrote behind the arena."""
    before = threads.count()
    answers = iter([2, *[3] * 20])
    monkeypatch.setattr(binding.threads, "count", lambda: next(answers))
    asked = []
    monkeypatch.setattr(binding.threads, "pool_address",
                        lambda count=None, original=threads.pool_address: asked.append(count) or original(before))
    model, x, _ = fresh("mlp")
    model.predict(x)
    assert asked
    assert set(asked) <= {2, 3}
    assert asked[0] == asked[1]


def test_workers_are_not_started_under_a_program_that_owns_the_pool():
    pool = threads.Pool(3)
    try:
        assert driver.native().acquire(pool.address)
        pool.start()
        assert pool.words[driver.WORKERS] == 0
        assert pool.words[driver.WANTED] == 2  # so that the walk asks again
        driver.native().release(pool.address)
        pool.start()
        assert pool.words[driver.WORKERS] == 2
    finally:
        pool.stop()


def test_a_stop_that_was_cut_short_is_made_up_for(monkeypatch):
    pool = threads.Pool(3)
    pool.start()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pool.stop()
    try:
        pool.start()
        assert pool.words[driver.WORKERS] == 2
    finally:
        pool.stop()
    assert not pool.words[driver.STOP]


class Held:
    """A state."""


def test_programs_that_share_a_state_exclude_each_other():
    first, second, third = Held(), Held(), Held()
    one, other = guard_of([first]), guard_of([second])
    both = guard_of([second, first, third])
    with both:
        assert one.locked()
        assert other.locked()
        assert guard_of([third]).locked()
    assert not one.locked()
    assert guard_of([]) is not guard_of([])


def test_a_variable_gets_one_array_whoever_comes_first():
    made = Variable(np.zeros(3), "float32", "v")
    ours = made._first(np.ones(3))
    assert made._first(np.zeros(3)) is ours
    assert made.array is ours


def test_no_generation_of_writes_comes_twice():
    seen = []

    def work(_):
        for _ in range(2000):
            WRITES.changed()
            seen.append(WRITES.generation)

    soak.in_threads(work, 4)
    WRITES.changed()
    assert WRITES.generation not in seen


def test_weights_that_an_interrupted_step_has_changed_are_read_anew(monkeypatch):
    """What was packed from weights is packed again, though the step that changed them did not come to its end."""
    model = keras.models.Sequential([keras.layers.Dense(300, input_shape=(200,), kernel_initializer="ones")])
    model.compile("sgd", "mse")
    x, y = np.ones((40, 200), "f4"), np.zeros((40, 300), "f4")
    model.predict(x)
    model.train_on_batch(x, y)

    def interrupted(self, original=binding.Binding.results):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(binding.Binding, "results", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.train_on_batch(x, y)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(x), x @ kernel + bias, rtol=1e-5)


def test_pointers_come_back_when_many_steps_are_interrupted(monkeypatch):
    """Results of the interrupted call are gone; the next call must not write there."""
    model, x, y = fresh("both_ways")
    quarter = len(y) // 4
    model.fit(x, y, batch_size=quarter, verbose=0, shuffle=False)
    want = model.test_on_batch(x, y)
    (held,) = model._functions.special("train").executable._bindings.values()
    words = held._blocks.copy()

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threads, "pool_address", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, batch_size=len(y) // 4, verbose=0, shuffle=False)
    np.testing.assert_array_equal(held._blocks, words)
    model.fit(x, y, batch_size=quarter, epochs=3, verbose=0, shuffle=False)
    assert model.test_on_batch(x, y) < want
