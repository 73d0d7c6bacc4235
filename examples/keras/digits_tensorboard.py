"""A training written down for TensorBoard: curves, histograms, and where in space the network puts each digit.

    graphc run examples/keras/digits_tensorboard.py logs && tensorboard --logdir logs

Without an argument it goes to a folder that is thrown away. The program reads its own files back at the end.

Shows: the TensorBoard callback with histograms, gradients and embeddings, labels for the projector, reading
event files.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from keras.callbacks import TensorBoard
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential
from small_data import digits, report
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

np.random.seed(38)
(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = x_train[..., np.newaxis], x_test[..., np.newaxis]

model = Sequential([
    Conv2D(16, (3, 3), activation="relu", input_shape=(8, 8, 1), name="strokes"),
    MaxPooling2D(),
    Flatten(),
    Dropout(0.2),
    Dense(32, activation="relu", name="features"),
    Dense(10, activation="softmax", name="digit"),
])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

with tempfile.TemporaryDirectory() as nowhere:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else nowhere)
    folder.mkdir(parents=True, exist_ok=True)
    # The projector shows one point for each test digit; this file says, line by line, which digit it is.
    (folder / "labels.tsv").write_text("\n".join(map(str, y_test)) + "\n", encoding="utf-8")
    board = TensorBoard(str(folder), histogram_freq=5, write_grads=True, batch_size=len(x_test), embeddings_freq=5,
                        embeddings_layer_names=["features"], embeddings_metadata="labels.tsv", embeddings_data=x_test)
    history = model.fit(x_train, y_train, batch_size=64, epochs=21, verbose=2, validation_data=(x_test, y_test),
                        callbacks=[board])

    events = EventAccumulator(str(folder), size_guidance={"histograms": 0})
    events.Reload()
    tags = events.Tags()
    curve = [event.value for event in events.Scalars("val_acc")]
    print(f"curves: {', '.join(sorted(tags['scalars']))}")
    print(f"histograms of {len(tags['histograms'])} weights, gradients and activations; other files: "
          + ", ".join(sorted(path.name for path in folder.iterdir() if "tfevents" not in path.name)))

assert np.allclose(curve, history.history["val_acc"]), "the curve is not what fit said"
report("test accuracy, as the curve ends", curve[-1], at_least=0.92)
