"""An image read as a page: one LSTM reads along each row, a second one down the rows' summaries.

The idea of two levels is that of J. Li, M.-T. Luong, D. Jurafsky, "A Hierarchical Neural Autoencoder for Paragraphs and
Documents", 2015.

Shows: TimeDistributed around a recurrent layer, four-dimensional input, targets as one column, a metric by name.
"""

import numpy as np
from keras.layers import LSTM, Dense, Input, TimeDistributed
from keras.models import Model
from keras.utils import to_categorical
from small_data import digits, report

ROW_UNITS, PAGE_UNITS = 32, 48

np.random.seed(5)
(x_train, y_train), (x_test, y_test) = digits()

# 8 rows of 8 pixels, each pixel a vector of one number.
x_train, x_test = (x.reshape(-1, 8, 8, 1) for x in (x_train, x_test))

page = Input(shape=(8, 8, 1))
rows = TimeDistributed(LSTM(ROW_UNITS), name="rows")(page)  # (batch, 8, ROW_UNITS): one summary a row
whole = LSTM(PAGE_UNITS, name="page")(rows)                 # (batch, PAGE_UNITS): one summary of all rows
model = Model(page, Dense(10, activation="softmax")(whole))
model.summary()
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy", "top_k_categorical_accuracy"])
model.fit(x_train, to_categorical(y_train, 10), batch_size=32, epochs=50, verbose=2, validation_split=0.1)

loss, accuracy, in_best_five = model.evaluate(x_test, to_categorical(y_test, 10), verbose=0)
print(f"test loss {loss:.4f}; the right digit is among the five likeliest for {100 * in_best_five:.1f} %")
report("test accuracy", accuracy, at_least=0.93)
