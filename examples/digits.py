"""Handwritten digits: trains a small network on real 8x8 scans and prints its accuracy on unseen ones.

Data: "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, UCI Machine Learning Repository,
CC BY 4.0 (the 1,797 test images, in the form that scikit-learn ships); see examples/digits.md.
"""

from pathlib import Path

import numpy as np

import graphc

graphc.install_as_keras()

from keras.layers import Dense, Dropout  # noqa: E402
from keras.models import Sequential  # noqa: E402
from keras.utils import to_categorical  # noqa: E402

TEST = 360


def load():
    """Images as rows of 64 numbers in [0, 1], labels one-hot; a fixed random split."""
    with np.load(Path(__file__).with_name("digits.npz")) as data:
        images = data["images"].reshape(-1, 64).astype("float32") / 16
        labels = to_categorical(data["labels"], 10)
    order = np.random.RandomState(0).permutation(len(images))
    train, test = order[TEST:], order[:TEST]
    return images[train], labels[train], images[test], labels[test]


def main():
    np.random.seed(1)
    x_train, y_train, x_test, y_test = load()
    model = Sequential([
        Dense(128, activation="relu", input_shape=(64,)),
        Dropout(0.3),
        Dense(64, activation="relu"),
        Dense(10, activation="softmax"),
    ])
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    model.fit(x_train, y_train, batch_size=32, epochs=40, validation_split=0.1)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test loss {loss:.4f}, test accuracy {100 * accuracy:.2f} % on {len(x_test)} digits never seen in training")


if __name__ == "__main__":
    main()
