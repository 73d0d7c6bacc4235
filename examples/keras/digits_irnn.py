"""A recurrent network of rectified units that begins as the identity remembers what it read.

After Q. V. Le, N. Jaitly, G. E. Hinton, "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units",
2015: the digit is read in small pieces, from left to right and from top to bottom, and what was seen first must still
be there at the end. With the identity as recurrent weights a unit keeps its value until something is added.

Shows: SimpleRNN, initializers as objects, clipnorm, a callback of one's own, access to a layer's weights.
"""

import numpy as np
from keras import initializers
from keras.callbacks import Callback
from keras.layers import Activation, Dense, SimpleRNN
from keras.models import Sequential
from keras.optimizers import Adam
from small_data import digits, report

STEPS, PIXELS = 16, 4  # pieces of half a row


class Memory(Callback):
    """After each epoch: how far the recurrent weights have moved from the identity they began as."""

    def on_train_begin(self, logs=None):
        self.distances = []

    def on_epoch_end(self, epoch, logs=None):
        recurrent = self.model.layers[0].get_weights()[1]
        self.distances.append(float(np.abs(recurrent - np.eye(len(recurrent))).max()))


np.random.seed(11)
(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = x_train.reshape(-1, STEPS, PIXELS), x_test.reshape(-1, STEPS, PIXELS)

model = Sequential([
    SimpleRNN(96, activation="relu", input_shape=(STEPS, PIXELS),
              kernel_initializer=initializers.RandomNormal(stddev=0.05),
              recurrent_initializer=initializers.Identity(gain=1.0)),
    Dense(10),
    Activation("softmax"),
])
model.compile(loss="sparse_categorical_crossentropy", optimizer=Adam(lr=1e-3, clipnorm=1.0), metrics=["accuracy"])
memory = Memory()
model.fit(x_train, y_train, batch_size=16, epochs=40, verbose=2, callbacks=[memory])

first, *_, last = memory.distances
print(f"largest change of a recurrent weight: {first:.3f} after one epoch, {last:.3f} now")
report("test accuracy", model.evaluate(x_test, y_test, verbose=0)[1], at_least=0.85)
