"""Words that were met before: vectors from many texts without labels help where labels are few.

The vectors come from how often words occur near each other: the positive pointwise mutual information, cut down to a
few dimensions by its singular values (O. Levy, Y. Goldberg, "Neural Word Embedding as Implicit Matrix Factorization",
2014).

Shows: Embedding with weights= and trainable=False, keras.utils.Sequence, fit_generator, evaluate_generator,
predict_generator, Conv1D and pooling on vectors.
"""

import numpy as np
from keras.layers import Conv1D, Dense, Dropout, Embedding, GlobalMaxPooling1D, Input
from keras.models import Model
from keras.preprocessing.sequence import pad_sequences
from keras.preprocessing.text import Tokenizer
from keras.utils import Sequence
from small_data import SUBJECTS, report, topics

LENGTH, WIDTH, LABELLED = 16, 24, 60


class Batches(Sequence):
    """Texts and labels in batches, encoded only when they are asked for, and in a new order after each epoch."""

    def __init__(self, texts, labels, size, shuffle=False):
        self.texts, self.labels, self.size, self.shuffle = texts, labels, size, shuffle
        self.order = np.arange(len(texts))

    def __len__(self):
        return -(-len(self.order) // self.size)

    def __getitem__(self, index):
        rows = self.order[index * self.size:(index + 1) * self.size]
        codes = tokenizer.texts_to_sequences([self.texts[row] for row in rows])
        return pad_sequences(codes, maxlen=LENGTH), self.labels[rows]

    def on_epoch_end(self):
        if self.shuffle:
            np.random.shuffle(self.order)


def vectors(texts):
    """One vector for each of Tokenizer's numbers, from which words stand within four words of which."""
    size = len(tokenizer.word_index) + 1
    near = np.zeros((size, size))
    for codes in tokenizer.texts_to_sequences(texts):
        for gap in range(1, 5):
            np.add.at(near, (codes[gap:], codes[:-gap]), 1)
    near += near.T
    expected = np.outer(near.sum(axis=1), near.sum(axis=0)) / near.sum()
    information = np.log(np.maximum(near, 1e-9) / np.maximum(expected, 1e-9)).clip(0)
    left, singular, _ = np.linalg.svd(information)
    return left[:, :WIDTH] * np.sqrt(singular[:WIDTH])


def classify(name, **embedding):
    """The share of test texts that a model with this embedding gets right after training on the few labels."""
    words = Input((LENGTH,), dtype="int32")
    x = Embedding(len(tokenizer.word_index) + 1, WIDTH, input_length=LENGTH, **embedding)(words)
    x = Dropout(0.3)(GlobalMaxPooling1D()(Conv1D(32, 3, activation="relu")(x)))
    model = Model(words, Dense(len(SUBJECTS), activation="softmax")(x))
    model.compile(loss="sparse_categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    model.fit_generator(Batches(few_texts, few_labels, 16, shuffle=True), epochs=60, verbose=0,
                        shuffle=False)  # the Sequence shuffles its rows itself; this would shuffle whole batches
    loss, accuracy = model.evaluate_generator(Batches(test_texts, y_test, 64))
    probabilities = model.predict_generator(Batches(test_texts, y_test, 64))
    assert abs((probabilities.argmax(axis=1) == y_test).mean() - accuracy) < 1e-6
    print(f"{name}: test loss {loss:.3f}, test accuracy {accuracy:.3f}")
    return accuracy


np.random.seed(30)
plain_texts, _ = topics(3000, seed=8)
few_texts, few_labels = topics(LABELLED, seed=9)
test_texts, y_test = topics(1000, seed=10)
tokenizer = Tokenizer()
tokenizer.fit_on_texts(plain_texts)
known = vectors(plain_texts)

similar = known @ known[tokenizer.word_index["anchor"]]
names = {code: word for word, code in tokenizer.word_index.items()}
print("most like anchor: " + ", ".join(names[code] for code in np.argsort(-similar)[1:5]))
alone = classify("vectors learnt from the labels alone")
helped = classify("vectors from texts without labels", weights=[known], trainable=False)
assert helped > alone, "what was known before should help"
report(f"test accuracy from {LABELLED} labels", helped, at_least=0.7)
