"""Convolutions for handwritten digits, with the best epoch kept in a file.

Shows: Conv2D, MaxPooling2D, Flatten, sparse_categorical_crossentropy (labels as they are), ModelCheckpoint,
ReduceLROnPlateau, load_model, and that a loaded model can be trained further.
"""

import tempfile
from pathlib import Path

import numpy as np
from keras.callbacks import ModelCheckpoint, ReduceLROnPlateau
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential, load_model
from small_data import digits, report

np.random.seed(1)

(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = x_train[..., np.newaxis], x_test[..., np.newaxis]  # one channel, which stands last
fit_rows, check_rows = slice(0, 1200), slice(1200, None)

model = Sequential([
    Conv2D(16, (3, 3), padding="same", activation="relu", input_shape=(8, 8, 1)),
    Conv2D(32, (3, 3), activation="relu"),
    MaxPooling2D((2, 2)),
    Dropout(0.25),
    Flatten(),
    Dense(64, activation="relu"),
    Dropout(0.5),
    Dense(10, activation="softmax"),
])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

with tempfile.TemporaryDirectory() as folder:
    best = str(Path(folder) / "best.h5")
    keep_best = ModelCheckpoint(best, monitor="val_acc", save_best_only=True, verbose=1)
    slow_down = ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3, min_lr=1e-5, verbose=1)
    model.fit(x_train[fit_rows], y_train[fit_rows], batch_size=64, epochs=25, verbose=2,
              validation_data=(x_train[check_rows], y_train[check_rows]), callbacks=[keep_best, slow_down])

    # The file holds layers, weights, loss, metrics and the optimizer's state: nothing has to be said again.
    model = load_model(best)

before = model.evaluate(x_test, y_test, verbose=0)[1]
model.fit(x_train, y_train, batch_size=64, epochs=3, verbose=2)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"accuracy of the file's model {before:.4f}, after three more epochs on all rows {accuracy:.4f}, loss {loss:.4f}")
report("test accuracy", accuracy, at_least=0.96)
