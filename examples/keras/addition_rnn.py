"""Learning to add: the question is text ("38+7"), the answer is text ("45"), and nothing else is said about numbers.

After W. Zaremba, I. Sutskever, "Learning to Execute", 2014: one LSTM reads the question, which is written backwards,
and a second one writes the answer.

Shows: one-hot characters, RepeatVector, TimeDistributed(Dense), return_sequences, fit called in a loop.
"""

import numpy as np
from keras.layers import LSTM, Dense, RepeatVector, TimeDistributed
from keras.models import Sequential
from keras.optimizers import Adam
from small_data import report

CHARACTERS = "0123456789+ "
QUESTION, ANSWER = 5, 3  # characters: "99+99" and "198"
UNITS = 96
TRAIN = 5000


def encode(texts, length):
    """(n, length, 12) of 0 and 1; short texts are filled up with spaces."""
    codes = np.array([[CHARACTERS.index(character) for character in text.ljust(length)] for text in texts])
    return np.eye(len(CHARACTERS), dtype="float32")[codes]


def decode(probabilities):
    return ["".join(CHARACTERS[code] for code in row).strip() for row in probabilities.argmax(axis=-1)]


np.random.seed(13)
sums = [(a, b) for a in range(100) for b in range(100)]
np.random.shuffle(sums)
questions = encode([f"{a}+{b}"[::-1] for a, b in sums], QUESTION)
answers = [str(a + b) for a, b in sums]
targets = encode(answers, ANSWER)

model = Sequential([
    LSTM(UNITS, input_shape=(QUESTION, len(CHARACTERS))),                # what was asked, as one vector
    RepeatVector(ANSWER),                                                # which every step of the answer sees
    LSTM(UNITS, return_sequences=True),
    TimeDistributed(Dense(len(CHARACTERS), activation="softmax")),
])
model.compile(loss="categorical_crossentropy", optimizer=Adam(lr=3e-3), metrics=["accuracy"])
model.summary()


def right(begin, end):
    """The share of rows whose whole answer is right, and the answers."""
    said = decode(model.predict(questions[begin:end], batch_size=500))
    return np.mean([a == b for a, b in zip(said, answers[begin:end])]), said


for round_ in range(1, 11):
    history = model.fit(questions[:TRAIN], targets[:TRAIN], batch_size=64, epochs=4, verbose=0)
    share, said = right(TRAIN, TRAIN + 1000)
    (a, b), answer = sums[TRAIN], said[0]
    print(f"after {4 * round_} epochs: loss {history.history['loss'][-1]:.4f}, "
          f"{100 * share:.1f} % of unseen sums; {a}+{b}={answer}")
    if share > 0.95:
        break

report(f"share of {len(sums) - TRAIN} unseen sums answered rightly", right(TRAIN, len(sums))[0], at_least=0.9)
