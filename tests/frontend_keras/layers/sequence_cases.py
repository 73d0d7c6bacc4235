"""Models of sequences whose numbers real Keras recorded; see recordings/README.md. Any Keras builds them.

What does not live here: the numbers (recordings/sequences.npz), the comparison (test_sequence_recordings.py).
"""

import numpy as np

X = np.random.RandomState(3).rand(4, 5, 3).astype("f4") * 2 - 1
IMAGES = np.random.RandomState(5).rand(2, 4, 5, 6, 3).astype("f4")
WORDS = np.array([[1, 2, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0], [5, 6, 7, 8]])
STATES = [np.random.RandomState(k).rand(4, 2).astype("f4") for k in range(4)]


def cases(keras):
    """{name: (model, inputs, whether it is trained)}"""
    L, Model = keras.layers, keras.models.Model
    found = {}

    def one(name, layer, x=X, train=True):
        i = L.Input(x.shape[1:])
        found[name] = Model(i, layer(i)), x, train

    def words(name, *layers):
        i = L.Input((4,))
        h = L.Embedding(9, 3, mask_zero=True)(i)
        for layer in layers:
            h = layer(h)
        found[name] = Model(i, h), WORDS, True

    for kind in ("SimpleRNN", "GRU", "LSTM"):
        Layer = getattr(L, kind)
        one(f"{kind} last", Layer(2))
        one(f"{kind} all", Layer(2, return_sequences=True))
        one(f"{kind} backwards", Layer(2, go_backwards=True, return_sequences=True))
        one(f"{kind} without bias", Layer(2, use_bias=False, activation="relu"))
        one(f"{kind} unrolled", Layer(2, unroll=True))
        one(f"{kind} states", Layer(2, return_state=True), train=False)
        words(f"{kind} masked", Layer(2))
        words(f"{kind} masked all", Layer(2, return_sequences=True), Layer(2))
        words(f"{kind} masked backwards", Layer(2, go_backwards=True))
        words(f"{kind} masked unrolled", Layer(2, unroll=True, return_sequences=True))
        one(f"Bidirectional {kind}", L.Bidirectional(Layer(2)))
        words(f"Bidirectional {kind} masked", L.Bidirectional(Layer(2, return_sequences=True)))
    one("GRU reset after", L.GRU(2, reset_after=True))
    one("GRU implementation 2", L.GRU(2, implementation=2))
    one("LSTM implementation 2", L.LSTM(2, implementation=2, recurrent_activation="sigmoid"))
    one("LSTM penalty", L.LSTM(2, activity_regularizer="l2", unit_forget_bias=False))
    one("stacked cells", L.RNN([L.LSTMCell(2), L.GRUCell(3), L.SimpleRNNCell(2)], return_sequences=True))
    for mode in ("sum", "mul", "ave", "concat"):
        one(f"Bidirectional {mode}", L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode=mode))
    one("Bidirectional apart", L.Bidirectional(L.LSTM(2, return_state=True), merge_mode=None), train=False)
    one("Bidirectional penalty", L.Bidirectional(L.LSTM(2, activity_regularizer="l1")))
    one("TimeDistributed", L.TimeDistributed(L.Dense(2, activation="tanh", activity_regularizer="l1")))
    one("TimeDistributed recurrent", L.TimeDistributed(L.LSTM(2)), np.stack([X, X / 2], 1))
    one("TimeDistributed images", L.TimeDistributed(L.Conv2D(2, 2)), X.reshape(4, 1, 5, 3, 1).repeat(3, 1))
    words("mask through TimeDistributed", L.TimeDistributed(L.Dense(2)), L.Dropout(0.0), L.Activation("tanh"), L.LSTM(2))
    words("mask weighs the loss", L.TimeDistributed(L.Dense(2)))
    for name, layer in {
            "last": L.ConvLSTM2D(2, 3), "all": L.ConvLSTM2D(2, (3, 2), padding="same", return_sequences=True),
            "strides backwards": L.ConvLSTM2D(2, 3, strides=2, padding="same", go_backwards=True, return_sequences=True),
            "dilated": L.ConvLSTM2D(2, 2, dilation_rate=2, use_bias=False, recurrent_activation="sigmoid"),
            "both directions": L.Bidirectional(L.ConvLSTM2D(2, 3, return_sequences=True))}.items():
        one(f"ConvLSTM2D {name}", layer, IMAGES)
    one("ConvLSTM2D states", L.ConvLSTM2D(2, 3, return_state=True), IMAGES, train=False)
    i = L.Input((5, 3))
    j = [L.Input((2,)) for _ in range(4)]
    found["initial states"] = Model([i, *j[:2]], L.LSTM(2)(i, initial_state=j[:2])), [X, *STATES[:2]], True
    found["initial states of both directions"] = (
        Model([i, *j], L.Bidirectional(L.LSTM(2))(i, initial_state=j)), [X, *STATES], True)
    encoded = L.GRU(2, return_state=True)(i)
    k = L.Input((4, 3))
    found["sequence to sequence"] = (
        Model([i, k], L.GRU(2, return_sequences=True)(k, initial_state=encoded[1:])), [X, X[:, 1:]], True)
    shared = L.LSTM(2)
    found["shared"] = (Model([i, k], L.concatenate([shared(i), shared(k)])), [X, X[:, 1:]], True)
    b = L.Input(batch_shape=(4, 5, 3))
    found["stateful"] = (Model(b, L.LSTM(2, stateful=True)(L.GRU(3, stateful=True, return_sequences=True)(b))), X, True)
    return found


def numbers(model, x, train, draw=np.random.RandomState):
    """Predictions (twice: states may be kept), losses of three training steps, the weights behind them."""
    random = draw(1)
    model.set_weights([random.uniform(-0.5, 0.5, w.shape).astype("f4") for w in model.get_weights()])
    made = {}
    for turn in (0, 1):
        outputs = model.predict(x, batch_size=4)
        for n, array in enumerate(outputs if isinstance(outputs, list) else [outputs]):
            made[f"predict {turn} {n}"] = array
    if train:
        model.compile("sgd", "mse")
        y = draw(2).rand(*made["predict 0 0"].shape)
        made["losses"] = np.array([model.train_on_batch(x, y) for _ in range(3)])
        made.update({f"weight {n}": w for n, w in enumerate(model.get_weights())})
    return made
