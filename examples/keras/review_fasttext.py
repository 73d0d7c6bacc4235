"""A very small model for texts: the mean of the vectors of its words, and of its pairs and triples of words.

A. Joulin, E. Grave, P. Bojanowski, T. Mikolov, "Bag of Tricks for Efficient Text Classification", 2016. A mean knows
nothing of order; with pairs as words of their own, "not dull" differs from "dull" and from a "not" somewhere else.

Shows: text_to_word_sequence, a dictionary of one's own next to Tokenizer's, pad_sequences at the end, Embedding,
GlobalAveragePooling1D, the same model with and without runs of words, histories compared.
"""

import numpy as np
from keras.layers import Dense, Embedding, GlobalAveragePooling1D
from keras.models import Sequential
from keras.optimizers import Adam
from keras.preprocessing.sequence import pad_sequences
from keras.preprocessing.text import text_to_word_sequence
from small_data import report, reviews


def features(text, longest):
    """All runs of up to `longest` words of a text, as tuples."""
    words = text_to_word_sequence(text)
    return [tuple(words[i:i + n]) for n in range(1, longest + 1) for i in range(len(words) - n + 1)]


def encode(train_texts, test_texts, longest):
    """Rows of numbers for both, and how many numbers there are; what only test texts have is left out."""
    train, test = ([features(text, longest) for text in texts] for texts in (train_texts, test_texts))
    numbers = {}
    for row in train:
        for feature in row:
            numbers.setdefault(feature, len(numbers) + 1)
    length = max(map(len, train))
    return [pad_sequences([[numbers[f] for f in row if f in numbers] for row in rows], maxlen=length, padding="post")
            for rows in (train, test)], len(numbers) + 1


def accuracy(longest):
    """The share of test texts that a model of runs of up to `longest` words judges rightly."""
    (x_train, x_test), size = encode(train_texts, test_texts, longest)
    model = Sequential([
        Embedding(size, 16, input_length=x_train.shape[1]),
        GlobalAveragePooling1D(),
        Dense(1, activation="sigmoid"),
    ])
    model.compile(loss="binary_crossentropy", optimizer=Adam(lr=3e-3), metrics=["accuracy"])
    history = model.fit(x_train, y_train, batch_size=32, epochs=20, verbose=0)
    reached = model.evaluate(x_test, y_test, verbose=0)[1]
    print(f"runs of up to {longest}: {size} vectors, accuracy {history.history['acc'][-1]:.3f} in training, "
          f"{reached:.3f} on new texts")
    return reached


np.random.seed(28)
train_texts, y_train = reviews(4000, seed=4)
test_texts, y_test = reviews(1000, seed=5)
single, runs = accuracy(1), accuracy(3)
assert runs > single + 0.1, "runs of words should make the difference"
report("test accuracy with runs of words", runs, at_least=0.88)
