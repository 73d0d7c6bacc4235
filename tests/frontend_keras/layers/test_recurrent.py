"""Recurrent layers against step by step NumPy: gates, dropout masks, forms of call, states, configurations, errors."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.layers import (
    GRU,
    LSTM,
    RNN,
    Dense,
    GRUCell,
    Input,
    LSTMCell,
    Masking,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
    recurrent,
)
from graphc.frontend_keras.models import Model, Sequential, model_from_json

RANDOM = np.random.RandomState(5)
BATCH, STEPS, FEATURES, UNITS = 3, 5, 4, 6
X = RANDOM.randn(BATCH, STEPS, FEATURES)
STATE = RANDOM.randn(BATCH, UNITS)
CARRY = RANDOM.randn(BATCH, UNITS)


@pytest.fixture(autouse=True)
def float64():
    K.set_floatx("float64")
    yield
    K.set_floatx("float32")


# ---- the independent reference: Keras's formulas, one step at a time


def hard_sigmoid(x):
    return np.clip(0.2 * x + 0.5, 0, 1)


def simple_step(x, states, weights, m=1.0, r=1.0):
    w, u, b = weights
    h = np.tanh((x * m) @ w + b + (states[0] * r) @ u)
    return h, [h]


def lstm_step(x, states, weights):
    (w, u, b), (h, c) = weights, states
    i, f, g, o = np.split(x @ w + h @ u + b, 4, axis=1)
    c = hard_sigmoid(f) * c + hard_sigmoid(i) * np.tanh(g)
    h = hard_sigmoid(o) * np.tanh(c)
    return h, [h, c]


def gru_step(x, states, weights):
    (w, u, b), (h,) = weights, states
    inside, behind = (b, np.zeros_like(b)) if b.ndim == 1 else b
    x_z, x_r, x_h = np.split(x @ w + inside, 3, axis=1)
    u_z, u_r, u_h = np.split(u, 3, axis=1)
    b_z, b_r, b_h = np.split(behind, 3)
    z, r = hard_sigmoid(x_z + h @ u_z + b_z), hard_sigmoid(x_r + h @ u_r + b_r)
    from_h = (r * h) @ u_h if b.ndim == 1 else r * (h @ u_h + b_h)
    h = z * h + (1 - z) * np.tanh(x_h + from_h)
    return h, [h]


def over_time(step, x, states, weights, backwards=False, mask=None):
    """All outputs in the order in which they are made, and the last states."""
    outputs, output = [], np.zeros_like(states[0])
    for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        new, new_states = step(x[:, t], states, weights)
        kept = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        output = np.where(kept, new, output)
        states = [np.where(kept, a, b) for a, b in zip(new_states, states, strict=True)]
        outputs.append(output)
    return np.stack(outputs, 1), states


KINDS = {"simple": (SimpleRNN, simple_step, 1, {}), "lstm": (LSTM, lstm_step, 2, {}),
         "lstm2": (LSTM, lstm_step, 2, {"implementation": 2}), "gru": (GRU, gru_step, 1, {}),
         "gru2": (GRU, gru_step, 1, {"implementation": 2}), "after": (GRU, gru_step, 1, {"reset_after": True}),
         "after2": (GRU, gru_step, 1, {"reset_after": True, "implementation": 2})}
EVERY = pytest.mark.parametrize(("layer", "step", "count", "options"), KINDS.values(), ids=KINDS)


def randomised(layer):
    """Weights so large that gates saturate here and there; the bias is not zero."""
    layer.set_weights([0.8 * RANDOM.randn(*w.shape) for w in layer.get_weights()])
    return layer.get_weights()


def close(got, want):
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@EVERY
@pytest.mark.parametrize("backwards", [False, True])
def test_values(layer, step, count, options, backwards):
    x = Input((STEPS, FEATURES))
    made = layer(UNITS, return_sequences=True, return_state=True, go_backwards=backwards, **options)
    outputs, *states = made(x)
    weights = randomised(made)
    got = K.function([x], [outputs, *states])([X])
    want, ends = over_time(step, X, [np.zeros((BATCH, UNITS))] * count, weights, backwards)
    for one, expected in zip(got, [want, *ends], strict=True):
        close(one, expected)
    last = type(made).from_config({**made.get_config(), "return_sequences": False, "return_state": False,
                                   "unroll": True})
    model = Sequential([last])
    model.build((None, STEPS, FEATURES))
    model.set_weights(weights)
    close(model.predict(X), want[:, -1])


@EVERY
def test_masks(layer, step, count, options):
    x = X.copy()
    mask = RANDOM.rand(BATCH, STEPS) > 0.4
    x[~mask] = 7.0
    made = layer(UNITS, return_sequences=True, return_state=True, **options)
    inputs = Input((STEPS, FEATURES))
    outputs = made(Masking(7.0)(inputs))
    weights = randomised(made)
    want, ends = over_time(step, np.where(mask[..., None], x, 0), [np.zeros((BATCH, UNITS))] * count, weights,
                           mask=mask)
    for got, expected in zip(K.function([inputs], outputs)([x]), [want, *ends], strict=True):
        close(got, expected)
    assert made.get_output_mask_at(0)[0] is not None and made.get_output_mask_at(0)[1:] == [None] * count
    assert layer(UNITS).compute_mask(None, mask) is None


@EVERY
def test_without_bias(layer, step, count, options):
    made = layer(UNITS, use_bias=False, **options)
    model = Sequential([made])
    model.build((None, STEPS, FEATURES))
    w, u = randomised(made)
    none = np.zeros((2, w.shape[1]) if options.get("reset_after") else w.shape[1])
    want, _ = over_time(step, X, [np.zeros((BATCH, UNITS))] * count, (w, u, none))
    close(model.predict(X), want[:, -1])


def test_weights_as_keras_makes_them():
    lstm = LSTM(UNITS, name="lstm")
    lstm(Input((STEPS, FEATURES)))
    assert [(w.name, K.int_shape(w)) for w in lstm.weights] == [
        ("lstm/kernel:0", (4, 24)), ("lstm/recurrent_kernel:0", (6, 24)), ("lstm/bias:0", (24,))]
    kernel, recurrent_kernel, bias = lstm.get_weights()
    np.testing.assert_array_equal(bias, np.repeat([0.0, 1.0, 0.0, 0.0], 6))
    assert np.abs(kernel).max() <= np.sqrt(6 / (4 + 24))
    np.testing.assert_allclose(recurrent_kernel @ recurrent_kernel.T, np.eye(6), atol=1e-12)
    for options, shape in (({}, (18,)), ({"reset_after": True}, (2, 18))):
        gru = GRU(UNITS, **options)
        gru(Input((STEPS, FEATURES)))
        assert [w.shape for w in gru.get_weights()] == [(4, 18), (6, 18), shape]
    plain = LSTM(2, unit_forget_bias=False, bias_initializer=lambda shape: K.constant(3, shape=shape))
    plain(Input((STEPS, FEATURES)))
    np.testing.assert_array_equal(plain.get_weights()[2], 3)
    own = LSTM(1, bias_initializer=lambda shape: K.constant(3, shape=shape))
    own(Input((STEPS, FEATURES)))
    np.testing.assert_array_equal(own.get_weights()[2], [3, 1, 3, 3])


@EVERY
def test_gradients_against_finite_differences(layer, step, count, options):
    """Central differences of step e err by about e^2 times the third derivative, and 1e-16 / e by rounding.

    The gates are smooth here: differences across a corner of the hard sigmoid would tell nothing.
    """
    made = layer(2, return_sequences=True, recurrent_activation="sigmoid", **options) if layer is not SimpleRNN \
        else layer(2, return_sequences=True)
    x, e = Input((3, 2)), 1e-5
    loss = K.sum(K.square(made(x)) * np.arange(6).reshape(3, 2))
    made.set_weights([RANDOM.randn(*w.shape) for w in made.get_weights()])
    given = RANDOM.randn(2, 3, 2)
    found = K.function([x], K.gradients(loss, [*made.weights, x]))([given])
    value = K.function([x], [loss])
    for array, gradient in zip([*(w.array for w in made.weights), given], found, strict=True):
        for place in np.ndindex(array.shape):
            kept, ends = array[place], []
            for shift in (e, -e):
                array[place] = kept + shift
                ends.append(value([given])[0])
            array[place] = kept
            assert gradient[place] == pytest.approx((ends[0] - ends[1]) / (2 * e), rel=1e-6, abs=1e-7)


# ---- dropout


def sums(**options):
    """A function (inputs, phase) -> all outputs of a linear cell of one unit whose kernels are 1: sums of the inputs."""
    made = SimpleRNN(1, activation="linear", kernel_initializer="ones", recurrent_initializer="ones",
                     return_sequences=True, **options)
    x = Input((3, 1))
    y = made(x)
    assert y._uses_learning_phase
    return K.function([x, K.learning_phase()], [y])


def test_one_mask_serves_all_time_steps():
    ones = np.ones((2000, 3, 1))
    dropped = sums(dropout=0.25)([ones, 1])[0][..., 0]
    kept = 1 / 0.75
    assert {tuple(row) for row in np.round(dropped, 9)} == {(0, 0, 0), tuple(np.round([kept, 2 * kept, 3 * kept], 9))}
    assert np.mean(dropped[:, 0] == 0) == pytest.approx(0.25, abs=0.05)
    states = sums(recurrent_dropout=0.5)([ones, 1])[0][..., 0]
    assert {tuple(row) for row in states} == {(1, 1, 1), (1, 3, 7)}
    untouched = sums(dropout=0.25, recurrent_dropout=0.5)([ones, 0])[0][..., 0]
    np.testing.assert_array_equal(untouched, np.broadcast_to([1, 2, 3], (2000, 3)))


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize("cell", [LSTMCell, GRUCell])
def test_masks_of_the_gates(cell, implementation):
    """Each gate has a mask of its own, but with implementation 2 one serves them all."""
    made = cell(1, kernel_initializer="ones", implementation=implementation, dropout=0.5, use_bias=False)
    made.build((None, 1))
    projected = K.eval(made.project_inputs(K.ones((500, 1)), training=1))
    assert set(np.unique(projected)) == {0.0, 2.0}
    alike = (projected == projected[:, :1]).all()
    assert alike == (implementation == 2)


@pytest.mark.parametrize("implementation", [1, 2])
@pytest.mark.parametrize(("layer", "options"), [(LSTM, {}), (GRU, {}), (GRU, {"reset_after": True})])
def test_dropped_states(layer, options, implementation):
    """With an input of zero and no bias, a sample whose state is dropped in every gate goes on as from zero."""
    made = layer(1, recurrent_dropout=0.5, implementation=implementation, use_bias=False, recurrent_initializer="ones",
                 return_sequences=True, **options)
    count = 2 if layer is LSTM else 1
    x, starts = Input((1, 1)), [Input((1,)) for _ in range(count)]
    y = made(x, initial_state=starts)
    f = K.function([x, *starts, K.learning_phase()], [y])
    found = np.unique(np.round(f([np.zeros((400, 1, 1)), *[np.full((400, 1), 0.1)] * count, 1])[0], 12))
    gates = 4 if layer is LSTM else 3
    assert len(found) == 2 if implementation == 2 else 2 < len(found) <= 2 ** gates
    assert len(np.unique(f([np.zeros((9, 1, 1)), *[np.full((9, 1), 0.1)] * count, 0])[0])) == 1


def test_a_mask_is_drawn_anew_for_each_call_of_the_layer():
    lstm = LSTM(3, dropout=0.5)
    a, b = Input((4, 2)), Input((5, 2))
    model = Model([a, b], [lstm(a), lstm(b)])
    assert [one.shape for one in model.predict([np.ones((2, 4, 2)), np.ones((2, 5, 2))])] == [(2, 3), (2, 3)]
    rnn = RNN([GRUCell(3, dropout=0.5), LSTMCell(2, recurrent_dropout=0.5)])
    assert rnn(a)._uses_learning_phase and rnn(b)._uses_learning_phase


# ---- initial states and constants


@EVERY
def test_initial_states_from_layers_and_from_tensors(layer, step, count, options):
    given = [STATE, CARRY][:count]
    made = layer(UNITS, **options)
    x, starts = Input((STEPS, FEATURES)), [Input((UNITS,)) for _ in range(count)]
    y = made(x, initial_state=starts if count > 1 else starts[0])
    weights = randomised(made)
    want, _ = over_time(step, X, given, weights)
    model = Model([x, *starts], y)
    close(model.predict([X, *given]), want[:, -1])
    again = model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    close(again.predict([X, *given]), want[:, -1])
    listed = Model([x, *starts], made([x, *starts]))
    close(listed.predict([X, *given]), want[:, -1])
    inner = Model([x, *starts], model([x, *starts]))
    close(inner.predict([X, *given]), want[:, -1])
    plain = made(x, initial_state=[K.variable(one) for one in given])
    close(K.function([x], [plain])([X])[0], want[:, -1])
    assert made.input_spec[0].shape == (None, None, FEATURES) and len(made.input_spec) == 1


def test_an_encoder_hands_its_states_to_a_decoder():
    x, z = Input((STEPS, FEATURES)), Input((3, FEATURES))
    encoder, decoder = LSTM(UNITS, return_state=True), LSTM(UNITS, return_sequences=True)
    _, *states = encoder(x)
    model = Model([x, z], decoder(z, initial_state=states))
    a, b = randomised(encoder), randomised(decoder)
    _, ends = over_time(lstm_step, X, [np.zeros((BATCH, UNITS))] * 2, a)
    want, _ = over_time(lstm_step, X[:, :3], ends, b)
    close(model.predict([X, X[:, :3]]), want)
    model.compile("sgd", "mse")
    model.train_on_batch([X, X[:, :3]], np.zeros((BATCH, 3, UNITS)))


class Scaled(Layer):
    """A cell with a constant: h' = tanh(x w + h) * constant."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        step_shape, self.constant_shape = input_shape
        self.kernel = self.add_weight("kernel", (step_shape[-1], self.units))
        self.built = True

    def call(self, inputs, states, constants):
        output = K.tanh(K.dot(inputs, self.kernel) + states[0]) * constants[0]
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def scaled_step(x, states, weights):
    h = np.tanh(x @ weights[0] + states[0]) * CARRY
    return h, [h]


@pytest.mark.parametrize("started", [False, True])
def test_constants(started):
    x, constant, start = Input((STEPS, FEATURES)), Input((UNITS,)), Input((UNITS,))
    layer = RNN(Scaled(UNITS))
    y = layer(x, constants=constant, **({"initial_state": start} if started else {}))
    assert layer.cell.constant_shape == (None, UNITS)
    inputs, given = ([x, constant, start], [X, CARRY, STATE]) if started else ([x, constant], [X, CARRY])
    want, _ = over_time(scaled_step, X, [STATE if started else np.zeros((BATCH, UNITS))], randomised(layer))
    model = Model(inputs, y)
    close(model.predict(given), want[:, -1])
    again = Model.from_config(model.get_config(), custom_objects={"Scaled": Scaled})
    again.set_weights(model.get_weights())
    close(again.predict(given), want[:, -1])
    stacked = RNN([Scaled(UNITS), SimpleRNNCell(2)])
    assert K.int_shape(stacked(x, constants=[constant])) == (None, 2)
    plain = layer(x, constants=K.variable(CARRY), **({"initial_state": K.variable(STATE)} if started else {}))
    close(K.function([x], [plain])([X])[0], want[:, -1])


def test_calls_that_do_not_fit():
    x, state, short = Input((STEPS, FEATURES)), Input((UNITS,)), Input((2,))
    with pytest.raises(ValueError, match="An `initial_state` was passed that is not compatible with `cell.state_size`"):
        GRU(UNITS)(x, initial_state=short)
    with pytest.raises(ValueError, match="mix of Keras tensors and non-Keras tensors"):
        LSTM(UNITS)(x, initial_state=[state, K.variable(STATE)])
    layer = LSTM(UNITS)
    layer(x)
    with pytest.raises(ValueError, match="Layer has 2 states but was passed 1 initial states"):
        layer(x, initial_state=[state])
    with pytest.raises(ValueError, match="RNN cell does not support constants"):
        LSTM(UNITS)(x, constants=[state])
    with pytest.raises(ValueError, match="given twice"):
        LSTM(UNITS)([x, state, state], initial_state=[state, state])
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        LSTM(UNITS)(state)
    with pytest.raises(ValueError, match="is incompatible with layer"):
        layer(Input((STEPS, FEATURES + 1)))
    with pytest.raises(ShapeError, match="last axis of the input has no known size"):
        LSTM(UNITS)(Input((STEPS, None)))
    with pytest.raises(ValueError, match="Cannot unroll a RNN if the time dimension is undefined or equal to 1"):
        LSTM(UNITS, unroll=True)(Input((None, FEATURES)))
    for cell in (3, Dense(2)):
        with pytest.raises(ArgumentError, match="a cell needs"):
            RNN(cell)
    with pytest.raises(ArgumentError, match="`implementation` is unknown"):
        GRU(3, implementation=7)
    with pytest.raises(ArgumentError, match="`units` is not a positive integer"):
        LSTM(0)


def test_a_build_that_fails_leaves_nothing_behind():
    layer = LSTM(UNITS, weights=[np.zeros((1, 1))])
    with pytest.raises(ShapeError):
        layer(Input((STEPS, FEATURES)))
    layer._initial_weights = None
    layer(Input((STEPS, FEATURES)))
    assert len(layer.weights) == 3


# ---- states that last


def stateful(**options):
    layer = LSTM(UNITS, stateful=True, **options)
    model = Sequential([layer])
    model.build((BATCH, STEPS, FEATURES))
    return model, layer, randomised(layer)


def test_states_go_on_from_batch_to_batch():
    model, layer, weights = stateful()
    assert model.stateful
    want, states = over_time(lstm_step, X, [np.zeros((BATCH, UNITS))] * 2, weights)
    close(model.predict(X, batch_size=BATCH), want[:, -1])
    for variable, state in zip(layer.states, states, strict=True):
        close(K.get_value(variable), state)
    longer, states = over_time(lstm_step, np.concatenate([X, X], 1), states, weights)
    close(model.predict(np.concatenate([X, X]), batch_size=BATCH), np.concatenate([longer[:, 4], longer[:, 9]]))
    model.reset_states()
    close(model.predict(X, batch_size=BATCH), want[:, -1])
    layer.reset_states([STATE, CARRY])
    started, _ = over_time(lstm_step, X, [STATE, CARRY], weights)
    close(model.predict(X, batch_size=BATCH), started[:, -1])


def test_states_go_on_in_tests_and_in_training():
    model, layer, weights = stateful()
    model.compile("sgd", "mse")
    _, states = over_time(lstm_step, X, [np.zeros((BATCH, UNITS))] * 2, weights)
    model.test_on_batch(X, STATE)
    close(K.get_value(layer.states[1]), states[1])
    _, states = over_time(lstm_step, X, states, weights)
    model.train_on_batch(X, STATE)
    close(K.get_value(layer.states[0]), states[0])
    model.fit(np.concatenate([X, X]), np.concatenate([STATE, STATE]), batch_size=BATCH, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match="divided by the batch size"):
        model.fit(X[:2], STATE[:2], batch_size=BATCH)


def test_states_inside_a_model_used_as_a_layer():
    model, layer, weights = stateful()
    x = Input(batch_shape=(BATCH, STEPS, FEATURES))
    outer = Model(x, model(x))
    want, _ = over_time(lstm_step, np.concatenate([X, X], 1), [np.zeros((BATCH, UNITS))] * 2, weights)
    outer.predict(X, batch_size=BATCH)
    close(outer.predict(X, batch_size=BATCH), want[:, -1])


def test_states_that_are_refused():
    with pytest.raises(AttributeError, match="Layer must be stateful."):
        LSTM(2).reset_states()
    with pytest.raises(ValueError, match="it needs to know its batch size"):
        LSTM(2, stateful=True)(Input((STEPS, FEATURES)))
    model, layer, _ = stateful()
    with pytest.raises(ValueError, match="expects 2 states, but it received 1 state values"):
        layer.reset_states(STATE)
    before = [K.get_value(state) for state in layer.states]
    with pytest.raises(ValueError, match="State 1 is incompatible with layer"):
        layer.reset_states([STATE, CARRY[:, :2]])
    for state, kept in zip(layer.states, before, strict=True):
        np.testing.assert_array_equal(K.get_value(state), kept)


# ---- stacks and cells of one's own


class Running(Layer):
    """A cell without weights: the sum of all inputs so far."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.state_size = units

    def call(self, inputs, states):
        return inputs + states[0], [inputs + states[0]]


class TwiceLSTM(LSTMCell):
    """A subclass with a step of its own."""

    def call(self, inputs, states, training=None):
        return super().call(2 * inputs, states, training)


def test_cells_of_ones_own():
    close(Sequential([RNN(Running(FEATURES), return_sequences=True)]).predict(X), np.cumsum(X, 1))
    layer = RNN(TwiceLSTM(UNITS))
    model = Sequential([layer])
    model.build((None, STEPS, FEATURES))
    want, _ = over_time(lstm_step, 2 * X, [np.zeros((BATCH, UNITS))] * 2, randomised(layer))
    close(model.predict(X), want[:, -1])


@pytest.mark.parametrize("backwards", [False, True])
def test_stacked_cells(backwards):
    x = Input((STEPS, FEATURES))
    with pytest.warns(UserWarning, match="reverse_state_order") if backwards else pytest.MonkeyPatch.context():
        cells = StackedRNNCells([LSTMCell(UNITS), GRUCell(2)], reverse_state_order=backwards)
    layer = RNN(cells, return_state=True, return_sequences=True)
    outputs = layer(x)
    assert [K.int_shape(y) for y in outputs] == [(None, STEPS, 2), *([(None, 2), (None, 6), (None, 6)] if backwards
                                                                    else [(None, 6), (None, 6), (None, 2)])]
    assert layer.compute_output_shape((None, STEPS, FEATURES)) == [K.int_shape(y) for y in outputs]
    weights = randomised(layer)
    lower, (h, c) = over_time(lstm_step, X, [np.zeros((BATCH, UNITS))] * 2, weights[:3])
    upper, (top,) = over_time(gru_step, lower, [np.zeros((BATCH, 2))], weights[3:])
    ends = [top, h, c] if backwards else [h, c, top]
    for got, want in zip(K.function([x], outputs)([X]), [upper, *ends], strict=True):
        close(got, want)
    with pytest.warns(UserWarning, match="reverse_state_order") if backwards else pytest.MonkeyPatch.context():
        again = layers.deserialize(layers.serialize(layer))
    assert isinstance(again.cell, StackedRNNCells) and again.cell.state_size == cells.state_size
    again(x)
    again.set_weights(weights)
    assert again.get_config() == layer.get_config()


def test_penalties_and_frozen_cells():
    layer = RNN([LSTMCell(2, kernel_regularizer="l2"), GRUCell(2, recurrent_regularizer="l1")])
    model = Sequential([layer, Dense(1)])
    model.build((None, STEPS, FEATURES))
    assert len(model.losses) == 2 and len(layer.get_losses_for(None)) == 2
    assert len(model.trainable_weights) == 8
    layer.cell.cells[0].trainable = False
    assert len(layer.trainable_weights) == len(layer.non_trainable_weights) == 3
    layer.trainable = False
    assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == len(layer.weights) == 6
    model = Sequential([LSTM(2, kernel_regularizer="l2", activity_regularizer="l1", input_shape=(STEPS, FEATURES))])
    model.compile("sgd", lambda t, p: 0.0 * p)
    kernel = model.get_weights()[0]
    want = 0.01 * (kernel ** 2).sum() + 0.01 * np.abs(model.predict(X)).sum()
    assert model.test_on_batch(X, np.zeros((BATCH, 2))) == pytest.approx(want)


# ---- configurations


@pytest.mark.parametrize(("layer", "keys"), [
    (SimpleRNN, set()), (LSTM, {"recurrent_activation", "implementation", "unit_forget_bias"}),
    (GRU, {"recurrent_activation", "implementation", "reset_after"})])
def test_configurations(layer, keys):
    made = layer(3, name="one", kernel_regularizer="l2", bias_constraint="nonneg", activity_regularizer="l1",
                 dropout=0.2, recurrent_dropout=1.7, return_sequences=True, stateful=True, go_backwards=True)
    config = made.get_config()
    common = {"name", "trainable", "return_sequences", "return_state", "go_backwards", "stateful", "unroll", "units",
              "activation", "use_bias", "dropout", "recurrent_dropout", "activity_regularizer"}
    for part in ("kernel", "recurrent", "bias"):
        common |= {f"{part}_initializer", f"{part}_regularizer", f"{part}_constraint"}
    assert set(config) == common | keys
    assert (config["name"], config["units"], config["dropout"], config["recurrent_dropout"]) == ("one", 3, 0.2, 1.0)
    assert layers.deserialize(layers.serialize(made)).get_config() == config
    assert made.units == 3 and made.recurrent_initializer is made.cell.recurrent_initializer
    defaults = layer(3).get_config()
    assert defaults["activation"] == "tanh" and defaults.get("recurrent_activation", "hard_sigmoid") == "hard_sigmoid"
    assert defaults.get("implementation", 1) == 1 and not defaults.get("reset_after")
    assert layer.from_config({**defaults, "implementation": 0}).get_config() == defaults
    assert layer.from_config({**defaults, "time_major": False, "dtype": "float64"}).get_config() == defaults


@pytest.mark.parametrize("cell", [SimpleRNNCell, GRUCell, LSTMCell])
def test_configurations_of_cells(cell):
    made = RNN(cell(3, dropout=0.1), return_sequences=True, name="one")
    config = made.get_config()
    assert config["cell"]["class_name"] == cell.__name__ and config["cell"]["config"]["units"] == 3
    assert RNN.from_config(config).get_config() == config
    assert layers.deserialize(layers.serialize(made.cell)).get_config() == made.cell.get_config()


def test_keywords_of_keras_1():
    with pytest.warns(UserWarning, match="Keras 2 API"):
        lstm = LSTM(output_dim=3, inner_activation="sigmoid", dropout_W=0.1, consume_less="gpu", forget_bias_init="one",
                    input_dim=4, input_length=5)
    assert (lstm.units, lstm.dropout, lstm.implementation, lstm.unit_forget_bias) == (3, 0.1, 2, True)
    assert lstm.batch_input_shape == (None, 5, 4)
    with pytest.warns(UserWarning, match="`implementation` argument in `SimpleRNN`"):
        SimpleRNN(3, implementation=2)
    with pytest.warns(UserWarning, match="`implementation=0` has been deprecated"):
        assert GRU(3, implementation=0).implementation == 1


def test_names_of_keras():
    for name in ("RNN", "SimpleRNN", "GRU", "LSTM", "SimpleRNNCell", "GRUCell", "LSTMCell", "StackedRNNCells"):
        assert getattr(recurrent, name) is getattr(layers, name)
        assert layers.LAYERS[name] is getattr(layers, name)


@pytest.mark.parametrize(("options", "shape"), [({}, (None, 3)), ({"return_sequences": True}, (None, 5, 3)),
                                                ({"return_state": True}, [(None, 3)] * 3)])
def test_output_shapes(options, shape):
    assert LSTM(3, **options).compute_output_shape((None, 5, 4)) == shape
    made = LSTM(3, **options)
    made(Input((5, 4)))
    assert made.output_shape == shape


def test_compiled_as_on_the_reference():
    """float32 on the processor against float64 formulas, forwards and two steps of training."""
    K.set_floatx("float32")
    rows = RANDOM.randn(2, STEPS, FEATURES)
    results = []
    for target in ("reference", "cpu"):
        K.set_target(target)
        K.clear_session()
        np.random.seed(1)
        model = Sequential([LSTM(UNITS, return_sequences=True, input_shape=(STEPS, FEATURES)), GRU(3)])
        model.compile("sgd", "mse")
        losses = [model.train_on_batch(rows, np.ones((2, 3))) for _ in range(2)]
        results.append([np.array(losses), *model.get_weights(), model.predict(rows)])
    assert results[0][0][0] > results[0][0][1]
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
