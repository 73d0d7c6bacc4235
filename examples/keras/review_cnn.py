"""Is an opinion good or bad? Convolutions over words see "not dull" and "not lovely" as what they are.

The texts are made up (small_data.py): an adjective counts, and "not" or "hardly" in front of it turns it round.

Shows: Tokenizer, pad_sequences, Embedding, SpatialDropout1D, Conv1D, GlobalAveragePooling1D, binary_crossentropy, a
model in JSON and its weights in a file, predict_classes for new texts.
"""

import tempfile
from pathlib import Path

import numpy as np
from keras.layers import Conv1D, Dense, Embedding, GlobalAveragePooling1D, SpatialDropout1D
from keras.models import Sequential, model_from_json
from keras.preprocessing.sequence import pad_sequences
from keras.preprocessing.text import Tokenizer
from small_data import report, reviews

LENGTH = 36  # words; longer texts lose their beginning, shorter ones are filled up in front

np.random.seed(26)
train_texts, y_train = reviews(3000, seed=0)
test_texts, y_test = reviews(1000, seed=1)
print(f"{train_texts[0]}  ({'good' if y_train[0] else 'bad'})")

# Numbers go to words in the order of how often they occur; 0 is kept for the filling.
tokenizer = Tokenizer()
tokenizer.fit_on_texts(train_texts)
words = len(tokenizer.word_index) + 1


def rows(texts):
    return pad_sequences(tokenizer.texts_to_sequences(texts), maxlen=LENGTH)


model = Sequential([
    Embedding(words, 16, input_length=LENGTH),
    SpatialDropout1D(0.1),
    Conv1D(48, 4, activation="relu"),  # "was not very dull" fits into a window
    GlobalAveragePooling1D(),          # how many of the windows say what
    Dense(24, activation="relu"),
    Dense(1, activation="sigmoid"),
])
model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
model.summary()
model.fit(rows(train_texts), y_train, batch_size=32, epochs=15, verbose=2, validation_data=(rows(test_texts), y_test))

# Elsewhere: the architecture as text, the weights as a file, the words as a table.
with tempfile.TemporaryDirectory() as folder:
    path = str(Path(folder) / "weights.h5")
    model.save_weights(path)
    again = model_from_json(model.to_json())
    again.load_weights(path)
for text in ("The plot was dull. The cast was lazy. The music was lovely.",
             "The plot was not dull. The cast was hardly lazy. The music was lovely."):
    print(f"{'good' if again.predict_classes(rows([text]))[0, 0] else 'bad '}  {text}")

report("test accuracy", model.evaluate(rows(test_texts), y_test, verbose=0)[1], at_least=0.93)
