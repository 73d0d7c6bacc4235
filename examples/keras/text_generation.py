"""Letter by letter: a network reads an old nursery rhyme, "This is the house that Jack built", and recites it.

The rhyme is printed in "Nurse Truelove's New-Year's-Gift" (London, about 1755) and older; it is in the public domain
and is put together here from its lines. What the network writes depends on a temperature: low, it takes the likeliest
letter; high, it plays.

Shows: LSTM on one-hot letters, a callback made of a function (LambdaCallback), sampling, training that a callback
ends.
"""

import numpy as np
from keras.callbacks import LambdaCallback
from keras.layers import LSTM, Dense
from keras.models import Sequential
from keras.optimizers import RMSprop
from small_data import report

LINES = """house that jack built
malt that lay in
rat that ate
cat that killed
dog that worried
cow with the crumpled horn that tossed
maiden all forlorn that milked
man all tattered and torn that kissed
priest all shaven and shorn that married
cock that crowed in the morn that waked
farmer sowing his corn that kept""".splitlines()
CONTEXT = 24


def rhyme():
    """Verse n is about the n-th line's hero and goes back to the house."""
    verses = []
    for last in range(len(LINES)):
        verses.append("this is " + " ".join("the " + line for line in reversed(LINES[:last + 1])) + ".")
    return "\n".join(verses) + "\n"


text = rhyme()
letters = sorted(set(text))
codes = np.array([letters.index(letter) for letter in text])
one_hot = np.eye(len(letters), dtype="float32")
windows = np.array([codes[i:i + CONTEXT] for i in range(len(text) - CONTEXT)])
following = codes[CONTEXT:]
print(f"{len(text)} letters, {len(letters)} different ones; it ends: {text[-60:]!r}")

np.random.seed(25)
model = Sequential([
    LSTM(96, input_shape=(CONTEXT, len(letters))),
    Dense(len(letters), activation="softmax"),
])
model.compile(loss="sparse_categorical_crossentropy", optimizer=RMSprop(lr=5e-3), metrics=["accuracy"])


def recite(length, temperature, seed):
    """Text that follows the rhyme's beginning. Probabilities are sharpened by 1/temperature before one is drawn."""
    random = np.random.RandomState(seed)
    written = list(codes[:CONTEXT])
    for _ in range(length):
        probabilities = model.predict(one_hot[written[-CONTEXT:]][np.newaxis])[0].astype("float64")
        weights = np.exp(np.log(probabilities + 1e-12) / temperature)
        written.append(random.choice(len(letters), p=weights / weights.sum()))
    return "".join(letters[code] for code in written)


def after_epoch(epoch, logs):
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}, loss {logs['loss']:.3f}: {recite(50, 0.5, seed=epoch)[CONTEXT:]!r}")
    model.stop_training = logs["acc"] > 0.985


model.fit(one_hot[windows], following, batch_size=64, epochs=40, verbose=0,
          callbacks=[LambdaCallback(on_epoch_end=after_epoch)])

for temperature in (0.2, 0.7, 1.5):
    print(f"--- temperature {temperature}\n{recite(160, temperature, seed=1)}")

known = set(text.replace(".", " ").split())
spoken = recite(400, 0.2, seed=2).replace(".", " ").split()[:-1]  # the last word may be cut off
report("share of recited words that are words of the rhyme", np.mean([word in known for word in spoken]), at_least=0.95)
