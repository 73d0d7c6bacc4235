"""A layer of one's own: where relu throws negative values away, this one keeps both halves, each in a place of its own.

It subtracts each row's mean, scales the row to length one and gives [relu(x), relu(-x)], which is twice as wide: so
compute_output_shape has to say it.

Shows: a subclass of Layer with build, call, compute_output_shape and get_config; custom_objects when a model is loaded.
"""

import tempfile
from pathlib import Path

import numpy as np
from keras import backend as K
from keras.layers import Activation, Dense, Dropout, Layer
from keras.models import Sequential, load_model
from small_data import digits, report


class Antirectifier(Layer):
    """(..., n) -> (..., 2 n). gain=True learns one factor for each of the 2 n results."""

    def __init__(self, gain=False, **kwargs):
        super().__init__(**kwargs)
        self.gain = gain

    def build(self, input_shape):
        if self.gain:
            self.factors = self.add_weight(name="factors", shape=(2 * input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, inputs):
        centred = inputs - K.mean(inputs, axis=-1, keepdims=True)
        row = K.l2_normalize(centred, axis=-1)
        halves = K.concatenate([K.relu(row), K.relu(-row)], axis=-1)
        return halves * self.factors if self.gain else halves

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


np.random.seed(12)
(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = x_train.reshape(-1, 64), x_test.reshape(-1, 64)

model = Sequential([
    Dense(96, input_shape=(64,)),
    Antirectifier(gain=True),
    Dropout(0.1),
    Dense(96),
    Antirectifier(),
    Dropout(0.1),
    Dense(10),
    Activation("softmax"),
])
assert model.layers[1].output_shape == (None, 192)
model.compile(loss="sparse_categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=64, epochs=30, verbose=2, validation_data=(x_test, y_test))

with tempfile.TemporaryDirectory() as folder:
    path = str(Path(folder) / "model.h5")
    model.save(path)
    again = load_model(path, custom_objects={"Antirectifier": Antirectifier})
assert [layer.gain for layer in again.layers if isinstance(layer, Antirectifier)] == [True, False]
assert np.array_equal(model.predict(x_test), again.predict(x_test)), "the loaded model predicts something else"

factors = model.layers[1].get_weights()[0]
print(f"the learnt factors lie between {factors.min():.2f} and {factors.max():.2f}")
report("test accuracy of the loaded model", again.evaluate(x_test, y_test, verbose=0)[1], at_least=0.95)
