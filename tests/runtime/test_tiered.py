"""The target "tiered": interpreted until that has cost what compiling would, native from then on."""

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense, Dropout
from graphc.frontend_keras.models import Sequential
from graphc.ir.parser import parse
from graphc.passes.costs import compiled, interpreted
from graphc.runtime.reference import ReferenceExecutable
from graphc.runtime.tiered import TieredExecutable
from tests.codegen_cpu.agreement import State

SUM = "graph g(%x: f32[B,3]) { %y = reduce_sum(%x){axes=(1,)}  return %y }"
COUNTER = """graph count(%x: f32[B], %n: f32[]) {
  %s = reduce_sum(%x){axes=(0,)}
  %m = add(%n, %s)
  return %m, %m -> %n
}"""


def tiered(text, price, states=None, cost=10):
    graph = parse(text)
    return TieredExecutable(ReferenceExecutable(graph, states or {}), cost, price, lambda: compile_graph(graph, states))


def test_calls_pay_until_the_price_is_paid():
    f, x = tiered(SUM, price=30), np.arange(6, dtype="f4").reshape(2, 3)
    natives = []
    for _ in range(5):
        np.testing.assert_array_equal(f(x)[0], [3, 12])
        natives.append(f.is_native)
    assert natives == [False, False, False, True, True]


def test_the_steps_of_one_call_count_together():
    f = tiered(SUM, price=30)
    results, = f.run_steps([np.ones((8, 3), "f4")], 4, [True])
    assert f.is_native
    np.testing.assert_array_equal(results, np.full((4, 2), 3))


def test_states_go_on_where_the_interpreter_left_them():
    state = State(np.zeros((), "f4"))
    f = tiered(COUNTER, price=25, states={1: state})
    assert [float(f(np.ones(n, "f4"))[0]) for n in (1, 2, 3, 4)] == [1, 3, 6, 10]
    assert f.is_native
    assert state.array == 10


def test_a_call_that_is_refused_changes_nothing():
    f = tiered(SUM, price=25)
    with pytest.raises(ShapeError):
        f(np.ones((2, 4), "f4"))
    f(np.ones((2, 3), "f4"))
    assert not f.is_native


def test_a_graph_without_ops_is_never_compiled():
    f = compile_graph(parse("graph same(%x: f32[B]) { return %x }"), target="tiered")
    for _ in range(3):
        np.testing.assert_array_equal(f(np.ones(2, "f4"))[0], [1, 1])
    assert not f.is_native


def test_costs_count_ops_elements_products_and_the_steps_of_loops():
    product = parse("graph p(%x: f32[B,3], %y: f32[3,5]) { %z = matmul(%x, %y)  return %z }")
    assert interpreted(product) == 8000 + 2 * (K_B * 3 + 15 + K_B * 5) + (K_B * 15) // 2
    loop = parse("""graph l(%h: f32[2], %x: f32[7,2]) {
      %last = scan(%h, %x){body=graph step(%h: f32[2], %x: f32[2]) { %y = add(%h, %x)  return %y },
                           carried=1, length=7, reverse=false, sliced=1} : f32[2]
      return %last
    }""")
    body, around = 8000 + 2 * 6, 8000 + 2 * (2 + 14 + 2)
    assert interpreted(loop) == 7 * body + around
    assert compiled(loop) == 2 * compiled(product)


K_B = parse(SUM).inputs[0].type.shape[0]


def trained(calls):
    """The weights after `calls` steps of a model with dropout, from equal starts."""
    K.clear_session()
    x, y = np.random.RandomState(0).rand(4, 5), np.ones((4, 2))
    model = Sequential([Dense(3, activation="tanh", kernel_initializer="ones", input_shape=(5,)), Dropout(0.5, seed=1),
                        Dense(2, kernel_initializer="ones")])
    model.compile("adam", "mse")
    for _ in range(calls):
        model.train_on_batch(x, y)
    return model.get_weights(), model._function("train").executable


def test_training_agrees_on_both_sides_of_the_change(monkeypatch):
    """The masks of dropout are the same, so is everything but rounding."""
    before = K.target()
    try:
        K.set_target("tiered")
        monkeypatch.setattr("graphc.compiler.compiled", lambda graph: 4 * 10**6)
        weights, program = trained(20)
        again, _ = trained(20)
        K.set_target("reference")
        wanted, _ = trained(20)
    finally:
        K.set_target(before)
    assert program.is_native
    for one, other, want in zip(weights, again, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, want, rtol=1e-5)
