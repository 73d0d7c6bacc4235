"""Opinions again, read forwards and backwards by two LSTMs that skip the filling.

Good and bad texts are not equally many here, so each class gets a weight, and the share of right answers is looked at
class by class.

Shows: Embedding(mask_zero=True), Bidirectional with merge_mode, dropout inside of a recurrent layer, class_weight,
Nadam, EarlyStopping on what a metric says.
"""

import numpy as np
from keras.callbacks import EarlyStopping
from keras.layers import LSTM, Bidirectional, Dense, Embedding
from keras.models import Sequential
from keras.optimizers import Nadam
from keras.preprocessing.sequence import pad_sequences
from keras.preprocessing.text import Tokenizer
from small_data import report, reviews

LENGTH = 40

np.random.seed(27)
texts, labels = reviews(4000, seed=2)
test_texts, y_test = reviews(1000, seed=3)
kept = np.flatnonzero((labels == 1) | (np.arange(len(labels)) % 4 == 0))  # three quarters of the bad ones get lost
train_texts, y_train = [texts[row] for row in kept], labels[kept]
counts = np.bincount(y_train)
weights = {label: len(y_train) / (2 * count) for label, count in enumerate(counts)}
print(f"{counts[0]} bad and {counts[1]} good texts; weights {weights[0]:.2f} and {weights[1]:.2f}")

tokenizer = Tokenizer(num_words=60, oov_token="?")  # words never seen share the number of "?"
tokenizer.fit_on_texts(train_texts)
x_train, x_test = (pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=LENGTH, padding="post")
                   for texts in (train_texts, test_texts))

model = Sequential([
    Embedding(60, 24, mask_zero=True, input_length=LENGTH),
    Bidirectional(LSTM(24, dropout=0.1), merge_mode="concat"),
    Dense(1, activation="sigmoid"),
])
model.compile(loss="binary_crossentropy", optimizer=Nadam(lr=4e-3), metrics=["accuracy"])
enough = EarlyStopping(monitor="val_acc", patience=6, restore_best_weights=True)
model.fit(x_train, y_train, batch_size=32, epochs=20, verbose=2, class_weight=weights, callbacks=[enough],
          validation_data=(x_test[:300], y_test[:300]))

right = (model.predict_classes(x_test[300:])[:, 0] == y_test[300:])
by_class = [right[y_test[300:] == label].mean() for label in (0, 1)]
print(f"right answers: {100 * by_class[0]:.1f} % of the bad texts, {100 * by_class[1]:.1f} % of the good ones")
report("test accuracy of the class that does worse", min(by_class), at_least=0.88)
