"""An autoencoder that cleans digits: it is shown noisy ones and asked for the clean ones.

Shows: an encoder and a decoder as models of their own inside of a third, Conv2DTranspose, strides, Reshape,
K.int_shape, targets that are images, predict.
"""

import numpy as np
from keras import backend as K
from keras.layers import Activation, Conv2D, Conv2DTranspose, Dense, Flatten, Input, Reshape
from keras.models import Model
from small_data import digits, report

CODE = 32
FILTERS = (12, 24)


def noisy(images, random):
    return np.clip(images + random.normal(0.0, 0.35, images.shape), 0, 1).astype("float32")


def show(*images):
    """Images side by side, in characters."""
    for rows in zip(*images):
        print("   ".join("".join(" .:*#"[min(4, int(5 * value))] * 2 for value in row[:, 0]) for row in rows))


np.random.seed(6)
random = np.random.RandomState(7)
(x_train, _), (x_test, _) = digits()
x_train, x_test = x_train[..., np.newaxis], x_test[..., np.newaxis]
seen_train, seen_test = noisy(x_train, random), noisy(x_test, random)

image = Input(shape=(8, 8, 1), name="image")
x = image
for filters in FILTERS:
    x = Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
unfolded = K.int_shape(x)[1:]  # what the decoder has to begin with
encoder = Model(image, Dense(CODE, name="code")(Flatten()(x)), name="encoder")

code = Input(shape=(CODE,))
x = Reshape(unfolded)(Dense(int(np.prod(unfolded)), activation="relu")(code))
for filters in reversed(FILTERS):
    x = Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(x)
clean = Activation("sigmoid")(Conv2DTranspose(1, 3, padding="same")(x))
decoder = Model(code, clean, name="decoder")

model = Model(image, decoder(encoder(image)), name="cleaner")
model.summary()
model.compile(loss="mse", optimizer="adam")
model.fit(seen_train, x_train, epochs=30, batch_size=64, verbose=2, validation_data=(seen_test, x_test))

cleaned = model.predict(seen_test)
show(x_test[0], seen_test[0], cleaned[0])
before, after = np.square(seen_test - x_test).mean(), np.square(cleaned - x_test).mean()
print(f"mean squared error of the noisy digits {before:.4f}, of the cleaned ones {after:.4f}")
report("share of the error that is left", after / before, at_most=0.5)
