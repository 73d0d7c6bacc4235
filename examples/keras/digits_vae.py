"""A variational autoencoder: digits become clouds in a plane, and points of the plane become digits.

D. P. Kingma, M. Welling, "Auto-Encoding Variational Bayes", 2013: the encoder gives a mean and a log variance for
each digit, a sample of that cloud is decoded, and the loss is what the copy misses plus how far the cloud is from the
normal distribution (its Kullback-Leibler divergence, in nats).

Shows: Lambda around a random op, K.random_normal, K.shape, add_loss, compile without targets, one decoder in two
models.
"""

import numpy as np
from keras import backend as K
from keras.layers import Dense, Input, Lambda
from keras.losses import binary_crossentropy
from keras.models import Model
from small_data import digits, report

PIXELS, HIDDEN, PLANE = 64, 128, 2


def sample(cloud):
    """A point of each cloud: mean plus deviation times a normal number, through which gradients can pass."""
    mean, log_variance = cloud
    return mean + K.exp(log_variance / 2) * K.random_normal(shape=K.shape(mean))


def cloud_loss(image, copy, mean, log_variance):
    """Nats a digit: (batch,)."""
    missed = PIXELS * binary_crossentropy(image, copy)
    divergence = -0.5 * K.sum(1 + log_variance - K.square(mean) - K.exp(log_variance), axis=-1)
    return missed + divergence


np.random.seed(8)
(x_train, _), (x_test, y_test) = digits()
x_train, x_test = x_train.reshape(-1, PIXELS), x_test.reshape(-1, PIXELS)

image = Input(shape=(PIXELS,), name="image")
hidden = Dense(HIDDEN, activation="relu")(image)
mean, log_variance = Dense(PLANE, name="mean")(hidden), Dense(PLANE, name="log_variance")(hidden)
point = Lambda(sample, output_shape=(PLANE,), name="point")([mean, log_variance])

place = Input(shape=(PLANE,))
drawn = Dense(PIXELS, activation="sigmoid")(Dense(HIDDEN, activation="relu")(Dense(HIDDEN, activation="relu")(place)))
decoder = Model(place, drawn, name="decoder")

copy = decoder(point)
model = Model(image, copy, name="vae")
model.add_loss(K.mean(cloud_loss(image, copy, mean, log_variance)))
model.compile(optimizer="adam")  # no loss here: all of it was added above, and fit takes no targets
model.fit(x_train, epochs=60, batch_size=64, verbose=2, validation_data=(x_test, None))

# Where the digits of each kind lie in the plane, and what the decoder draws along a line through it.
encoder = Model(image, mean)
centres = [encoder.predict(x_test[y_test == digit]).mean(axis=0) for digit in range(10)]
print("  ".join(f"{digit}: ({x:.1f}, {y:.1f})" for digit, (x, y) in enumerate(centres)))
for row in decoder.predict(np.array([[x, 0.0] for x in np.linspace(-1.5, 1.5, 5)])).reshape(5, 8, 8).transpose(1, 0, 2):
    print("   ".join("".join(" .:*#"[min(4, int(5 * value))] * 2 for value in digit) for digit in row))
report("nats a digit", model.evaluate(x_test, None, verbose=0), at_most=27)
