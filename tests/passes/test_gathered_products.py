"""Products of gathered rows: when the table's product takes over, the same bits, and new weights."""

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import IndexRangeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.functions import PREDICT
from graphc.frontend_keras.layers import GRU, LSTM, Bidirectional, Dense, Embedding, TimeDistributed
from graphc.frontend_keras.models import Sequential
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.passes import gathered_products as module
from graphc.passes.dce import dce
from graphc.passes.gathered_products import gathered_products
from graphc.passes.rewrite import rewrite
from graphc.runtime.adaptive import AdaptiveExecutable

WAYS = {
    "by itself": "%r = reshape(%x){shape=(B*T,3)}",
    "transposed": "%t = transpose(%x){perm=(1,0,2)}\n%r = reshape(%t){shape=(T*B,3)}",
    "reversed": "%t = reverse(%x){axes=(1,)}\n%r = reshape(%t){shape=(B*T,3)}",
    "cut in two": "%t = reshape(%x){shape=(B,T,1,3)}\n%r = reshape(%t){shape=(B*T,3)}",
}


def graph_of(way):
    return parse(f"""graph g(%i: i32[B,T], %e: f32[7,3], %w: f32[5,3]) {{
      %x = gather(%e, %i){{axis=0}}
      {way}
      %v = transpose(%w){{perm=(1,0)}}
      %y = matmul(%r, %v)
      return %y
    }}""")


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_rows_of_a_product_are_products_of_rows(way):
    graph = dce(rewrite(graph_of(way)))
    made = gathered_products(graph, {graph.inputs[1], graph.inputs[2]})
    assert made.graph.ops[-1].name == "gather"
    assert made.cost == 7 * 3 * 5
    rng = np.random.default_rng(0)
    feed = [rng.integers(0, 7, (2, 4)), rng.normal(size=(7, 3)), rng.normal(size=(5, 3))]
    np.testing.assert_allclose(evaluate(made.graph, feed, float64=True)[0], evaluate(graph, feed, float64=True)[0],
                               rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("fixed", [(), (1,), (2,)])
def test_what_may_change_in_a_call_stays(fixed):
    graph = dce(rewrite(graph_of(WAYS["by itself"])))
    assert gathered_products(graph, {graph.inputs[i] for i in fixed}) is None


def test_large_products_and_mixed_rows_stay(monkeypatch):
    for way in ("%t = transpose(%x){perm=(2,0,1)}\n%r = reshape(%t){shape=(B*T,3)}",
                "%t = reverse(%x){axes=(2,)}\n%r = reshape(%t){shape=(B*T,3)}"):
        graph = dce(rewrite(graph_of(way)))
        assert gathered_products(graph, set(graph.inputs[1:])) is None
    monkeypatch.setattr(module, "LARGEST", 7 * 5 * 4 - 1)
    graph = dce(rewrite(graph_of(WAYS["by itself"])))
    assert gathered_products(graph, set(graph.inputs[1:])) is None


def model_of(*layers):
    model = Sequential(list(layers))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) / 4 for w in model.get_weights()])
    return model


def executable_of(model):
    found = model._function(PREDICT, False).executable
    assert isinstance(found, AdaptiveExecutable)
    return found


@pytest.mark.parametrize("layer", [lambda: LSTM(5), lambda: GRU(6, return_sequences=True), lambda: Bidirectional(LSTM(3)),
                                   lambda: TimeDistributed(Dense(4)), lambda: LSTM(20, implementation=1)])
def test_the_table_takes_over_with_the_same_bits(layer):
    model = model_of(Embedding(40, 8), layer())
    x = np.random.default_rng(1).integers(0, 40, (4, 10))
    first = model.predict_on_batch(x)
    for _ in range(AdaptiveExecutable.PATIENCE + 1):
        np.testing.assert_array_equal(model.predict_on_batch(x), first)
    executable = executable_of(model)
    assert executable.current is not executable._first
    assert executable.program.prologue is not None
    for rows, steps in ((1, 3), (7, 1), (3, 20)):
        other = np.random.default_rng(rows).integers(0, 40, (rows, steps))
        fresh = model_of(Embedding(40, 8), layer())
        np.testing.assert_array_equal(model.predict_on_batch(other), fresh.predict_on_batch(other))


def test_new_weights_count_from_the_start():
    model, twin = (model_of(Embedding(40, 8), LSTM(5)) for _ in range(2))
    x = np.random.default_rng(1).integers(0, 40, (8, 10))
    for _ in range(12):
        model.predict_on_batch(x)
    assert executable_of(model).current is not executable_of(model)._first
    for layer, change in ((0, 0.5), (1, -1.0)):
        for one in (model, twin):
            one.layers[layer].set_weights([w * change for w in one.layers[layer].get_weights()])
        np.testing.assert_array_equal(model.predict_on_batch(x), twin.predict_on_batch(x))
        assert executable_of(model).current is executable_of(model)._first
        for _ in range(2):
            model.predict_on_batch(x)
        assert executable_of(model).current is not executable_of(model)._first
        np.testing.assert_array_equal(model.predict_on_batch(x), twin.predict_on_batch(x))


def test_training_between_predictions():
    model, twin = (model_of(Embedding(40, 8), LSTM(5), Dense(1)) for _ in range(2))
    x, y = np.random.default_rng(1).integers(0, 40, (8, 10)), np.ones((8, 1))
    for one in (model, twin):
        one.compile("sgd", "mse")
    for _ in range(3):
        for _ in range(12):
            model.predict_on_batch(x)
        for one in (model, twin):
            one.train_on_batch(x, y)
        np.testing.assert_array_equal(model.predict_on_batch(x), twin.predict_on_batch(x))
    K.set_value(model.layers[0].weights[0], np.zeros((40, 8)))
    K.set_value(twin.layers[0].weights[0], np.zeros((40, 8)))
    np.testing.assert_array_equal(model.predict_on_batch(x), twin.predict_on_batch(x))


def test_an_index_out_of_range_is_found_by_both():
    model = model_of(Embedding(40, 8), LSTM(5))
    x = np.full((2, 10), 3)
    for _ in range(2):
        with pytest.raises(IndexRangeError, match="got 40"):
            model.predict_on_batch(np.where(np.arange(10) == 4, 40, x))
        for _ in range(40):
            model.predict_on_batch(x)
    assert executable_of(model).current is not executable_of(model)._first


def test_steps_count_as_calls():
    table, weights = (K.variable(np.random.default_rng(i).normal(size=shape)) for i, shape in enumerate([(7, 3), (3, 5)]))
    graph = parse("""graph g(%i: i32[B], %e: f32[7,3], %w: f32[3,5]) {
      %x = gather(%e, %i){axis=0}
      %y = matmul(%x, %w)
      return %y
    }""")
    executable = compile_graph(graph, {1: table, 2: weights})
    rows = np.arange(70) % 7
    (found,) = executable.run_steps([rows.astype("i4")], 10, [True])
    executable.run_steps([rows[:7].astype("i4")], 2, [True], rows=np.arange(6))
    assert executable.current is not executable._first
    (again,) = executable.run_steps([rows.astype("i4")], 10, [True])
    np.testing.assert_array_equal(found, again)
    np.testing.assert_allclose(found.reshape(70, 5), (table.array @ weights.array)[rows], rtol=1e-6, atol=1e-6)
