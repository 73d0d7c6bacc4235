"""What was learnt from the digits 0 to 4 serves for 5 to 9: convolutions are kept as they are, the head is new.

Few rows are enough for the head alone. A rival that may train all of its layers shows how much that is worth.

Shows: lists of layers shared by two models, trainable = False and compiling again, clone_model, get_weights, counting
trainable weights, fewer rows than the first training had.
"""

import numpy as np
from keras import backend as K
from keras.layers import Activation, Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential, clone_model
from small_data import digits, report

FEW = 40  # rows of the second task


def train(model, images, labels, epochs):
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adadelta", metrics=["accuracy"])
    trainable = sum(K.count_params(weight) for weight in model.trainable_weights)
    print(f"{len(images)} rows, {trainable} of {model.count_params()} weights are trained")
    model.fit(images, labels, batch_size=32, epochs=epochs, verbose=0)


np.random.seed(2)
(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = x_train[..., np.newaxis], x_test[..., np.newaxis]
low, high = y_train < 5, y_train >= 5
low_test, high_test = y_test < 5, y_test >= 5

features = [
    Conv2D(24, (3, 3), padding="same", activation="relu", input_shape=(8, 8, 1)),
    Conv2D(24, (3, 3), activation="relu"),
    MaxPooling2D((2, 2)),
    Dropout(0.25),
    Flatten(),
]
head = [Dense(64), Activation("relu"), Dropout(0.5), Dense(5), Activation("softmax")]

model = Sequential(features + head)
train(model, x_train[low], y_train[low], epochs=15)
print(f"0 to 4: accuracy {model.evaluate(x_test[low_test], y_test[low_test], verbose=0)[1]:.4f}")
learnt = [weights.copy() for layer in features for weights in layer.get_weights()]

# A rival starts from nothing, with the same few rows and as many epochs.
rival = clone_model(model)
train(rival, x_train[high][:FEW], y_train[high][:FEW] - 5, epochs=60)
alone = rival.evaluate(x_test[high_test], y_test[high_test] - 5, verbose=0)[1]

# trainable is read when a model is compiled: set it first. A fresh head goes on top of the frozen layers.
for layer in features:
    layer.trainable = False
second = Sequential([*features, Dense(64, activation="relu"), Dropout(0.5), Dense(5, activation="softmax")])
train(second, x_train[high][:FEW], y_train[high][:FEW] - 5, epochs=60)
transferred = second.evaluate(x_test[high_test], y_test[high_test] - 5, verbose=0)[1]

kept = [weights for layer in features for weights in layer.get_weights()]
assert all(np.array_equal(a, b) for a, b in zip(learnt, kept)), "a frozen layer has moved"
print(f"5 to 9 from {FEW} rows: accuracy {alone:.4f} from nothing, {transferred:.4f} with the features of 0 to 4")
report("test accuracy on 5 to 9", transferred, at_least=0.85)
