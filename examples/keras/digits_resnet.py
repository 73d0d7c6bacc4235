"""A residual network with batch normalisation, and a learning rate that follows a plan.

K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", 2015: a block adds its input to its
result, so that a block that learns nothing does no harm.

Shows: BatchNormalization, add, l2 regularizers, he_normal, GlobalAveragePooling2D, LearningRateScheduler, a learning
rate read back from the optimizer with K.get_value.
"""

import numpy as np
from keras import backend as K
from keras.callbacks import LambdaCallback, LearningRateScheduler
from keras.layers import Activation, BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D, Input, add
from keras.models import Model
from keras.optimizers import Adam
from keras.regularizers import l2
from small_data import digits, report

EPOCHS, BLOCKS = 20, 2  # blocks of each width


def convolution(x, filters, size=3, strides=1):
    return Conv2D(filters, size, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal",
                  kernel_regularizer=l2(1e-4))(x)


def normalised(x):
    return Activation("relu")(BatchNormalization()(x))


def block(x, filters, strides):
    """Two convolutions and a way around them; where the size changes, a 1x1 convolution fits the way around."""
    y = normalised(convolution(x, filters, strides=strides))
    y = BatchNormalization()(convolution(y, filters))
    if strides != 1 or K.int_shape(x)[-1] != filters:
        x = convolution(x, filters, size=1, strides=strides)
    return Activation("relu")(add([x, y]))


def rate(epoch):
    """Full speed for half of the time, then a fifth, and a twenty-fifth for the last epochs."""
    return 3e-3 * 0.2 ** ((epoch >= EPOCHS // 2) + (epoch >= EPOCHS - 4))


np.random.seed(20)
(x_train, y_train), (x_test, y_test) = digits()
mean = x_train.mean(axis=0)
x_train, x_test = (x_train - mean)[..., np.newaxis], (x_test - mean)[..., np.newaxis]

image = Input(shape=(8, 8, 1))
x = normalised(convolution(image, 16))
for filters, strides in ((16, 1), (32, 2)):
    for number in range(BLOCKS):
        x = block(x, filters, strides if number == 0 else 1)
digit = Dense(10, activation="softmax", kernel_initializer="he_normal")(GlobalAveragePooling2D()(x))
model = Model(image, digit)
model.compile(loss="sparse_categorical_crossentropy", optimizer=Adam(lr=rate(0)), metrics=["accuracy"])
print(f"{len(model.layers)} layers, {model.count_params()} weights, {len(model.losses)} of them regularised")

rates = []
watch = LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(float(K.get_value(model.optimizer.lr))))
model.fit(x_train, y_train, batch_size=64, epochs=EPOCHS, verbose=2, callbacks=[LearningRateScheduler(rate), watch])
print("learning rates: " + ", ".join(f"{value:.2g}" for value in sorted(set(rates), reverse=True)))
assert np.allclose(rates, [rate(epoch) for epoch in range(EPOCHS)])

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
surprise = -np.log(model.predict(x_test)[range(len(y_test)), y_test]).mean()
print(f"test loss {loss:.4f}, of which {loss - surprise:.4f} is for large weights")
report("test accuracy", accuracy, at_least=0.97)
