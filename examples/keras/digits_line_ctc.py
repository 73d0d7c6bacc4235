"""A line of digits is read as a whole: nobody says where one digit ends and the next begins.

A. Graves and others, "Connectionist Temporal Classification", 2006: the network says something at every step, a digit
or "blank"; repeated digits are one digit unless a blank lies between, and the loss sums over all ways to say the
right text.

Shows: K.ctc_batch_cost in a Lambda with four inputs, a loss that passes on what the model computed, K.ctc_decode in a
K.function, convolutions that become a sequence (Permute, Reshape), Bidirectional GRU, training from a generator.
"""

import numpy as np
from keras import backend as K
from keras.layers import GRU, Bidirectional, Conv2D, Dense, Input, Lambda, MaxPooling2D, Permute, Reshape
from keras.models import Model
from keras.optimizers import Adam
from small_data import digits, report

LONGEST, WIDTH, CLASSES = 5, 48, 11  # digits a line, pixels a line, ten digits and the blank
STEPS = WIDTH // 2                   # of the sequence, behind the pooling


def line(images, labels, random):
    """An image (8, WIDTH) of three to five digits with gaps of their own, and the digits."""
    chosen = random.randint(len(images), size=random.randint(3, LONGEST + 1))
    picture, column = np.zeros((8, WIDTH), "float32"), random.randint(0, 3)
    for row in chosen:
        picture[:, column:column + 8] = images[row]
        column += 8 + random.randint(0, 2)
    return picture, labels[chosen]


def batches(images, labels, size, seed):
    """Without end: what the model is given, and targets that nobody looks at (the loss is one of its outputs)."""
    random = np.random.RandomState(seed)
    while True:
        lines = [line(images, labels, random) for _ in range(size)]
        texts = np.zeros((size, LONGEST))
        for row, (_, text) in zip(texts, lines):
            row[:len(text)] = text
        pictures, lengths = np.array([picture for picture, _ in lines]), np.array([[len(text)] for _, text in lines])
        yield {"line": pictures[..., np.newaxis], "text": texts, "length": lengths,
               "steps": np.full((size, 1), STEPS)}, np.zeros(size)


np.random.seed(35)
(x_train, y_train), (x_test, y_test) = digits()

picture = Input((8, WIDTH, 1), name="line")
x = Conv2D(16, 3, padding="same", activation="relu")(picture)
x = MaxPooling2D((2, 2))(x)
x = Conv2D(32, 3, padding="same", activation="relu")(x)
x = Reshape((STEPS, 4 * 32))(Permute((2, 1, 3))(x))     # columns become steps, from left to right
x = Dense(48, activation="relu")(x)
x = Bidirectional(GRU(32, return_sequences=True))(x)
said = Dense(CLASSES, activation="softmax", name="said")(x)

text = Input((LONGEST,), name="text")
steps, length = Input((1,), name="steps", dtype="int64"), Input((1,), name="length", dtype="int64")
cost = Lambda(lambda given: K.ctc_batch_cost(*given), output_shape=(1,), name="cost")([text, said, steps, length])
model = Model([picture, text, steps, length], cost)
model.compile(loss={"cost": lambda unused, computed: computed}, optimizer=Adam(lr=3e-3, clipnorm=5.0))
model.fit_generator(batches(x_train, y_train, size=32, seed=36), steps_per_epoch=60, epochs=12, verbose=2)

given, _ = next(batches(x_test, y_test, size=300, seed=37))
paths, _ = K.ctc_decode(said, K.flatten(steps), greedy=True)
read = K.function([picture, steps, K.learning_phase()], [paths[0]])([given["line"], given["steps"], 0])[0]
texts = ["".join(str(int(code)) for code in row if code >= 0) for row in read]
truth = ["".join(str(int(code)) for code in row[:n]) for row, n in zip(given["text"], given["length"][:, 0])]
for row in given["line"][0, :, :, 0]:
    print("".join(" .:*#"[min(4, int(5 * value))] * 2 for value in row))
print(f"read as {texts[0]}, which is {truth[0]}")
right = np.mean([a == b for a, b in zip(texts, truth)])
report("share of lines of unseen digits read without a mistake", right, at_least=0.85)
