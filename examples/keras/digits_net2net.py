"""A trained network grows and forgets nothing: wider or deeper, it begins by computing what it computed before.

T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", 2015. Wider: some units are
doubled, and whoever reads a doubled unit halves its weight. Deeper: a new layer begins as the identity, which a relu
leaves alone, because what comes out of the relu before it is not negative.

Shows: get_weights, set_weights, layers by name, models built by one function, history.
"""

import numpy as np
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.optimizers import SGD
from small_data import digits, report


def network(filters=12, units=32, deeper=False):
    layers = [Conv2D(filters, 3, padding="same", activation="relu", input_shape=(8, 8, 1), name="convolution")]
    if deeper:
        layers.append(Conv2D(filters, 3, padding="same", activation="relu", name="convolution_2"))
    layers += [MaxPooling2D(), Flatten(), Dense(units, activation="relu", name="dense")]
    if deeper:
        layers.append(Dense(units, activation="relu", name="dense_2"))
    model = Sequential([*layers, Dense(10, activation="softmax", name="digit")])
    model.compile(loss="sparse_categorical_crossentropy", optimizer=SGD(lr=0.05, momentum=0.9), metrics=["accuracy"])
    return model


def widened(kernel, bias, reader, n, random):
    """The layer (kernel (..., i, o), bias (o,)) with n units, and the weights (..., o, p) of who reads them."""
    chosen = np.concatenate([np.arange(len(bias)), random.randint(len(bias), size=n - len(bias))])
    copies = np.bincount(chosen)
    return kernel[..., chosen], bias[chosen], reader[..., chosen, :] / copies[chosen][:, np.newaxis]


def wider(teacher, filters, units, random):
    student = network(filters, units)
    (kernel, bias), (dense, dense_bias), (top, top_bias) = (
        teacher.get_layer(name).get_weights() for name in ("convolution", "dense", "digit"))
    by_channel = dense.reshape(-1, len(bias), len(dense_bias))  # Flatten put the channels innermost
    kernel, bias, by_channel = widened(kernel, bias, by_channel, filters, random)
    dense, dense_bias, top = widened(by_channel.reshape(-1, len(dense_bias)), dense_bias, top, units, random)
    for name, weights in (("convolution", [kernel, bias]), ("dense", [dense, dense_bias]), ("digit", [top, top_bias])):
        student.get_layer(name).set_weights(weights)
    return student


def deeper(teacher):
    student = network(deeper=True)
    for name in ("convolution", "dense", "digit"):
        student.get_layer(name).set_weights(teacher.get_layer(name).get_weights())
    kernel, bias = student.get_layer("convolution_2").get_weights()
    kernel[:] = 0
    kernel[1, 1] = np.eye(len(bias))  # the middle of the window passes on, the other places count for nothing
    student.get_layer("convolution_2").set_weights([kernel, bias])
    student.get_layer("dense_2").set_weights([np.eye(32), np.zeros(32)])
    return student


np.random.seed(18)
(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = x_train[..., np.newaxis], x_test[..., np.newaxis]

teacher = network()
teacher.fit(x_train, y_train, batch_size=64, epochs=8, verbose=2)
known = teacher.predict(x_test)
results = {"teacher": teacher.evaluate(x_test, y_test, verbose=0)[1]}

random = np.random.RandomState(19)
for name, student in (("wider", wider(teacher, 24, 64, random)), ("deeper", deeper(teacher))):
    moved = np.abs(student.predict(x_test) - known).max()
    assert moved < 1e-5, f"the {name} student begins with other answers, by {moved}"
    losses = student.fit(x_train, y_train, batch_size=64, epochs=8, verbose=0).history["loss"]
    results[name] = student.evaluate(x_test, y_test, verbose=0)[1]
    print(f"{name}: {student.count_params()} weights instead of {teacher.count_params()}, "
          f"the same answers to {moved:.1e}; loss {losses[0]:.4f} to {losses[-1]:.4f}")

print("test accuracy: " + ", ".join(f"{name} {accuracy:.4f}" for name, accuracy in results.items()))
report("least test accuracy of a student", min(results["wider"], results["deeper"]), at_least=0.96)
