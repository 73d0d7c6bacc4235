"""A plain network for handwritten digits: a Sequential model, dropout, and training that ends when it stops paying.

Shows: Sequential.add, Dense, Dropout, to_categorical, compile, fit with validation_split, EarlyStopping with
restore_best_weights, CSVLogger, evaluate, predict_classes.
"""

import csv
import tempfile
from pathlib import Path

import numpy as np
from keras.callbacks import CSVLogger, EarlyStopping
from keras.layers import Dense, Dropout
from keras.models import Sequential
from keras.optimizers import RMSprop
from keras.utils import to_categorical
from small_data import digits, report

np.random.seed(7)  # the initial weights, the dropout masks and the order of the rows all come from here

# A Dense layer reads flat rows, and categorical_crossentropy compares with one column for each class.
(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = x_train.reshape(-1, 64), x_test.reshape(-1, 64)
train_targets, test_targets = to_categorical(y_train, 10), to_categorical(y_test, 10)

model = Sequential()
model.add(Dense(128, activation="relu", input_shape=(64,)))
model.add(Dropout(0.2))
model.add(Dense(128, activation="relu"))
model.add(Dropout(0.2))
model.add(Dense(10, activation="softmax"))
model.summary()
model.compile(loss="categorical_crossentropy", optimizer=RMSprop(), metrics=["accuracy"])

# The last tenth of the rows is never trained on. When its loss has not fallen for five epochs, training ends, and the
# weights go back to the best epoch's.
with tempfile.TemporaryDirectory() as folder:
    log = Path(folder) / "training.csv"
    patience = EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True)
    history = model.fit(x_train, train_targets, batch_size=64, epochs=60, validation_split=0.1, verbose=2,
                        callbacks=[patience, CSVLogger(str(log))])
    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))

best = min(rows, key=lambda row: float(row["val_loss"]))
number, loss = int(best["epoch"]) + 1, float(best["val_loss"])
print(f"{len(history.epoch)} epochs; the best was number {number}, val_loss {loss:.4f}")

loss, accuracy = model.evaluate(x_test, test_targets, verbose=0)
wrong = np.flatnonzero(model.predict_classes(x_test) != y_test)
print(f"test loss {loss:.4f}; {len(wrong)} of {len(y_test)} digits read wrongly, such as those at {wrong[:5]}")
report("test accuracy", accuracy, at_least=0.95)
