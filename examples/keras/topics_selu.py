"""Which of six subjects is a note about? Bags of words, and two deep networks that differ in their activation.

G. Klambauer and others, "Self-Normalizing Neural Networks", 2017: with selu, lecun_normal weights and AlphaDropout,
what goes through many layers keeps mean 0 and variance 1. This is measured here, layer by layer, before any training.

Shows: Tokenizer.texts_to_matrix with tfidf, activations by name, AlphaDropout, models for what is inside of a model,
Adagrad, sparse targets, validation_split.
"""

import numpy as np
from keras.layers import Activation, AlphaDropout, Dense, Dropout
from keras.models import Model, Sequential
from keras.preprocessing.text import Tokenizer
from small_data import SUBJECTS, report, topics

LAYERS, UNITS = 6, 48


def network(words, activation, initializer, dropout):
    model = Sequential()
    for number in range(LAYERS):
        model.add(Dense(UNITS, kernel_initializer=initializer, **({"input_shape": (words,)} if number == 0 else {})))
        model.add(Activation(activation, name=f"{activation}_{number + 1}"))
        model.add(dropout(0.1))
    model.add(Dense(len(SUBJECTS), activation="softmax"))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adagrad", metrics=["accuracy"])
    return model


def spreads(model, x):
    """The standard deviation of what comes out of each activation."""
    inside = Model(model.input, [layer.output for layer in model.layers if isinstance(layer, Activation)])
    return [values.std() for values in inside.predict(x)]


np.random.seed(29)
train_texts, y_train = topics(2000, seed=6)
test_texts, y_test = topics(1000, seed=7)
tokenizer = Tokenizer()
tokenizer.fit_on_texts(train_texts)
x_train, x_test = (tokenizer.texts_to_matrix(texts, mode="tfidf") for texts in (train_texts, test_texts))
mean, deviation = x_train.mean(axis=0), x_train.std(axis=0) + 1e-6
x_train, x_test = (x_train - mean) / deviation, (x_test - mean) / deviation

results = {}
for name, *settings in (("relu", "glorot_uniform", Dropout), ("selu", "lecun_normal", AlphaDropout)):
    model = network(x_train.shape[1], name, *settings)
    spread = spreads(model, x_test)
    print(f"{name}: standard deviations from first layer to last " + " ".join(f"{value:.2f}" for value in spread))
    history = model.fit(x_train, y_train, batch_size=32, epochs=12, verbose=0, validation_split=0.1)
    results[name] = model.evaluate(x_test, y_test, verbose=0)[1]
    print(f"{name}: loss {history.history['loss'][-1]:.4f}, on rows held back {history.history['val_loss'][-1]:.4f}, "
          f"test accuracy {results[name]:.4f}")
    if name == "selu":
        assert 0.7 < spread[-1] < 1.3, "selu does not keep the spread"
report("test accuracy with selu", results["selu"], at_least=0.82)
