"""What a stateful LSTM is for: a series whose answers reach further back than one window.

The target is the mean of the last 8 numbers, but a row shows only 2 of them. A stateless network sees each row alone; a
stateful one carries its memory from row to row, and is told when the series begins anew.

Shows: stateful=True, batch_input_shape, shuffle=False, reset_states, states that go on from one batch to the next.
"""

import numpy as np
from keras.layers import LSTM, Dense
from keras.models import Sequential
from small_data import report

SERIES, STEPS, WINDOW, MEAN_OF = 16, 400, 2, 8  # series side by side, their length, numbers a row, numbers a mean
EPOCHS = 15


def make(seed):
    """x (rows, WINDOW, 1) and y (rows, 1); row i of one series is followed by row i + SERIES, its continuation."""
    random = np.random.RandomState(seed)
    values = random.uniform(-1, 1, (SERIES, STEPS)).astype("float32")
    sums = np.cumsum(values, axis=1)
    sums[:, MEAN_OF:] -= sums[:, :-MEAN_OF].copy()
    windows = values.reshape(SERIES, STEPS // WINDOW, WINDOW).transpose(1, 0, 2)
    means = sums[:, WINDOW - 1::WINDOW].T / MEAN_OF
    return windows.reshape(-1, WINDOW, 1), means.reshape(-1, 1)


def network(stateful):
    model = Sequential([
        LSTM(24, stateful=stateful, batch_input_shape=(SERIES, WINDOW, 1)),
        Dense(1),
    ])
    model.compile(loss="mse", optimizer="adam")
    return model


np.random.seed(14)
x_train, y_train = make(seed=0)
x_test, y_test = make(seed=1)

stateless = network(stateful=False)
stateless.fit(x_train, y_train, batch_size=SERIES, epochs=EPOCHS, verbose=0)

stateful = network(stateful=True)
for epoch in range(EPOCHS):
    # The order of rows is the order of time, so nothing may be shuffled; an epoch ends where the series ends.
    history = stateful.fit(x_train, y_train, batch_size=SERIES, epochs=1, shuffle=False, verbose=0)
    stateful.reset_states()
    print(f"epoch {epoch + 1}: loss {history.history['loss'][0]:.5f}")

alone = np.square(stateless.predict(x_test, batch_size=SERIES) - y_test).mean()
first = stateful.predict(x_test, batch_size=SERIES)
carried = np.square(first - y_test).mean()
follow_on = stateful.predict(x_test[:SERIES], batch_size=SERIES)  # the states of the series' end are still there
stateful.reset_states()
assert np.array_equal(first[:SERIES], stateful.predict(x_test[:SERIES], batch_size=SERIES))
print(f"states change the first rows' predictions by up to {np.abs(follow_on - first[:SERIES]).max():.3f}")
print(f"mean squared error: stateless {alone:.5f}, stateful {carried:.5f}")
report("the stateful network's share of the stateless error", carried / alone, at_most=0.3)
