"""Embeddings trained by the rows that a batch names, against the dense rule of the reference target.

All in float64, with a loss whose gradient does not depend on the table, so that errors add up and are not magnified: a
step makes some ten roundings of 2**-53 relative to the numbers it handles, and 320 steps stay below 1e-12.
"""

import numpy as np
import pytest

from graphc.errors import IndexRangeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import optimizers
from graphc.frontend_keras.engine.functions import TRAIN
from graphc.frontend_keras.layers import Activation, Add, Dense, Embedding, Flatten, Input
from graphc.frontend_keras.models import Model, Sequential
from graphc.runtime import threads

WORDS, SIZE = 64, 256  # the smallest table whose rows are updated alone
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1), "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, decay=0.01),
    "rmsprop": lambda: optimizers.RMSprop(0.01), "rmsprop that forgets": lambda: optimizers.RMSprop(0.01, rho=0.1),
    "rmsprop that keeps nothing": lambda: optimizers.RMSprop(0.01, rho=0.0),
    "rmsprop with decay": lambda: optimizers.RMSprop(0.01, rho=0.5, decay=0.01),
    "rmsprop with clipped values": lambda: optimizers.RMSprop(0.01, rho=0.5, clipvalue=0.01),
    "rmsprop with a clipped norm": lambda: optimizers.RMSprop(0.01, rho=0.5, clipnorm=0.1),
    "adagrad": lambda: optimizers.Adagrad(0.05), "adadelta": lambda: optimizers.Adadelta(rho=0.5),
    "adam": lambda: optimizers.Adam(0.01), "adamax": lambda: optimizers.Adamax(0.01), "nadam": lambda: optimizers.Nadam(0.01),
}
BY_ROWS = {"rmsprop", "rmsprop that forgets", "rmsprop that keeps nothing", "rmsprop with decay",
           "rmsprop with clipped values", "adagrad", "adadelta"}


@pytest.fixture(autouse=True)
def double():
    K.set_floatx("float64")
    yield
    K.set_floatx("float32")
    K.set_target("cpu")


def model_of(optimizer, target="cpu", **embedding):
    K.set_target(target)
    rng = np.random.default_rng(0)
    model = Sequential([Embedding(WORDS, SIZE, input_length=1, **embedding), Flatten(), Dense(1, trainable=False)])
    model.set_weights([rng.normal(size=w.shape) / 8 for w in model.get_weights()])
    model.compile(optimizer, lambda true, predicted: K.sum(true * predicted))
    for weighted in (False, True):
        assert model._function(TRAIN, weighted).executable, "compiled while the target is this one"
    return model


def batches(steps, seed=1):
    """Few words at first; then rows that were long away come back."""
    rng = np.random.default_rng(seed)
    return [(rng.integers(0, 5 if step % 50 else WORDS, (6, 1)), rng.normal(size=(6, 1))) for step in range(steps)]


def state_of(model):
    return [*model.get_weights(), *model.optimizer.get_weights()]


def assert_same(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def ops_of(model):
    return {op.name for op in model._function(TRAIN, False).executable.program.plan.kernels.graph.ops}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_follow_the_dense_rule(name):
    """320 steps: at rho 0.9 the scale is folded into the table once, at 0.5 eight times."""
    found, wanted = model_of(OPTIMIZERS[name]()), model_of(OPTIMIZERS[name](), "reference")
    for x, y in batches(320):
        assert found.train_on_batch(x, y) == pytest.approx(wanted.train_on_batch(x, y), rel=1e-12, abs=1e-12)
    assert_same(state_of(found), state_of(wanted))
    assert ("scatter_rows" in ops_of(found)) == (name in BY_ROWS)
    assert "gather_grad" not in ops_of(found)


@pytest.mark.parametrize("name", ["rmsprop with decay", "adadelta"])
def test_whoever_reads_a_state_sees_its_value(name):
    """Reads, writes, saved weights and other programs between the steps change nothing."""
    found, wanted = model_of(OPTIMIZERS[name]()), model_of(OPTIMIZERS[name](), "reference")
    for step, (x, y) in enumerate(batches(120)):
        for model in (found, wanted):
            model.train_on_batch(x, y)
            if step % 20 == 7:
                model.optimizer.set_weights([w * 0.9 for w in model.optimizer.get_weights()])
            if step == 50:
                K.set_value(model.optimizer.lr, 0.003)
        if step % 20 == 13:
            slots = [w for w in found.optimizer.weights if K.int_shape(w) == (WORDS, SIZE)]
            sums = K.function([], [K.sum(slot) for slot in slots])
            for _ in range(2):
                expected = [w.sum() for w in wanted.optimizer.get_weights() if w.shape == (WORDS, SIZE)]
                np.testing.assert_allclose(sums([]), expected, rtol=1e-12)
                for model in (found, wanted):
                    model.train_on_batch(x, y)
    assert_same(state_of(found), state_of(wanted))


def test_two_programs_share_a_state():
    """A second training program of the same optimizer, for other inputs, takes over where the first one is."""
    found, wanted = model_of(OPTIMIZERS["rmsprop"]()), model_of(OPTIMIZERS["rmsprop"](), "reference")
    for step, (x, y) in enumerate(batches(30)):
        for model in (found, wanted):
            model.train_on_batch(x, y, sample_weight=np.linspace(0, 1, 6) if step % 3 == 0 else None)
    assert_same(state_of(found), state_of(wanted))


def test_a_function_that_shows_what_it_updates():
    """A state that the same function returns, as it was before the step, is kept without a scale."""
    shown = []
    for target in ("cpu", "reference"):
        K.set_target(target)
        table, words, y = K.variable(np.ones((WORDS, SIZE))), K.placeholder((None,), dtype="int32"), K.placeholder((None, 1))
        optimizer = OPTIMIZERS["rmsprop with decay"]()
        loss = K.sum(K.gather(table, words) * y)
        updates = optimizer.get_updates(loss, [table])
        step = K.function([words, y], [loss, optimizer.weights[0]], updates=updates)
        found = [step([x[:, 0], y]) for x, y in batches(6)]
        shown.append([*(part for one in found for part in one), K.get_value(table), *optimizer.get_weights()])
    assert_same(*shown)


def test_a_rate_that_changes_while_training():
    found, wanted = model_of(OPTIMIZERS["rmsprop"]()), model_of(OPTIMIZERS["rmsprop"](), "reference")
    for step, (x, y) in enumerate(batches(60)):
        for model in (found, wanted):
            K.set_value(model.optimizer.rho, 0.9 if step % 7 else 0.3)
            model.train_on_batch(x, y)
    assert_same(state_of(found), state_of(wanted))


def test_fit_is_steps_of_the_same_rule():
    data = batches(40)
    x, y = (np.concatenate(part) for part in zip(*data, strict=True))
    found, wanted = model_of(OPTIMIZERS["rmsprop with decay"]()), model_of(OPTIMIZERS["rmsprop with decay"](), "reference")
    for _ in range(2):
        found.fit(x, y, batch_size=6, shuffle=False, verbose=0)
        for one in data:
            wanted.train_on_batch(*one)
    assert_same(state_of(found), state_of(wanted))


def test_an_index_out_of_range_changes_nothing():
    model = model_of(OPTIMIZERS["rmsprop"]())
    x, y = batches(1)[0]
    model.train_on_batch(x, y)
    before = state_of(model)
    for wrong in (WORDS, -1, 2**31 - 1):
        with pytest.raises(IndexRangeError):
            model.train_on_batch(np.where(np.arange(6)[:, None] == 3, wrong, x), y)
        for a, b in zip(state_of(model), before, strict=True):
            np.testing.assert_array_equal(a, b)


def test_any_number_of_threads_gives_the_same_bits():
    kept, states = threads.count(), []
    try:
        for count in (1, 2, 3):
            threads.set_num_threads(count)
            model = model_of(OPTIMIZERS["rmsprop"]())
            for x, y in batches(20):
                model.train_on_batch(x, y)
            states.append(state_of(model))
    finally:
        threads.set_num_threads(kept)
    for other in states[1:]:
        for a, b in zip(states[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_no_kernel_makes_or_reads_the_whole_table():
    model = model_of(OPTIMIZERS["rmsprop"]())
    model.train_on_batch(*batches(1)[0])
    kernels = model._function(TRAIN, False).executable.program.plan.kernels.kernels
    over_table = [k for k in kernels if any(v.type.shape == (WORDS, SIZE) for v in k.outputs)]
    assert [op.name for k in over_table for op in k.graph.ops] == ["scatter_rows"] * 2
    assert all(k.in_place for k in over_table)
    assert (WORDS, SIZE) not in {k.nest.domain for k in kernels if k not in over_table}


@pytest.mark.parametrize(("what", "embedding"), [
    ("penalty", {"embeddings_regularizer": "l2"}), ("constraint", {"embeddings_constraint": "unit_norm"})])
def test_where_the_whole_table_changes_the_dense_rule_stays(what, embedding):
    found, wanted = (model_of(optimizers.RMSprop(0.01, rho=0.5), target, **embedding) for target in ("cpu", "reference"))
    for x, y in batches(60):
        found.train_on_batch(x, y)
        wanted.train_on_batch(x, y)
    assert_same(state_of(found), state_of(wanted))
    assert "scatter_rows" not in ops_of(found), what


def test_a_table_read_twice():
    """Two gradients meet in one update: the dense rule, which reads both from their rows."""
    models = []
    for target in ("cpu", "reference"):
        K.set_target(target)
        table, first, second = Embedding(WORDS, SIZE), Input((1,)), Input((1,))
        dense = Dense(1, trainable=False)
        model = Model([first, second], dense(Flatten()(Add()([table(first), Activation("tanh")(table(second))]))))
        rng = np.random.default_rng(0)
        model.set_weights([rng.normal(size=w.shape) / 8 for w in model.get_weights()])
        model.compile("adagrad", lambda true, predicted: K.sum(true * predicted))
        assert model._function(TRAIN, False).executable
        models.append(model)
    for (x, y), (z, _) in zip(batches(40), batches(40, 2), strict=True):
        for model in models:
            model.train_on_batch([x, z], y)
    assert_same(*map(state_of, models))
    assert "gather_grad" not in ops_of(models[0])
