"""What comes next? Squares move over a small screen, and a network draws the frame that follows.

X. Shi and others, "Convolutional LSTM Network", 2015: an LSTM whose products are convolutions, so that its memory is
an image too.

Shows: ConvLSTM2D with return_sequences, BatchNormalization, Conv3D, five-dimensional input, predicting further with
what was predicted.
"""

import numpy as np
from keras.layers import BatchNormalization, Conv3D, ConvLSTM2D
from keras.models import Sequential
from keras.optimizers import Adam
from small_data import report

SIDE, FRAMES, SQUARE = 12, 8, 3


def film(random):
    """(FRAMES + 1, SIDE, SIDE, 1): two squares, each with a speed of its own, which bounce off the edges."""
    places = random.randint(0, SIDE - SQUARE + 1, size=(2, 2))
    speeds = random.choice([-1, 1], size=(2, 2))
    frames = np.zeros((FRAMES + 1, SIDE, SIDE, 1), "float32")
    for frame in frames:
        for row, column in places:
            frame[row:row + SQUARE, column:column + SQUARE] = 1
        outside = (places + speeds < 0) | (places + speeds > SIDE - SQUARE)
        speeds = np.where(outside, -speeds, speeds)
        places = places + speeds
    return frames


def films(n, seed):
    """n films without their last frame, and the same without their first: what each frame is followed by."""
    random = np.random.RandomState(seed)
    whole = np.array([film(random) for _ in range(n)])
    return whole[:, :-1], whole[:, 1:]


def overlap(drawn, true):
    """Of all pixels that are bright in one of the two, the share that is bright in both."""
    drawn, true = drawn > 0.5, true > 0.5
    return (drawn & true).sum() / (drawn | true).sum()


np.random.seed(21)
seen, followed = films(300, seed=22)
test_seen, test_followed = films(40, seed=23)

model = Sequential([
    ConvLSTM2D(8, (3, 3), padding="same", return_sequences=True, input_shape=(None, SIDE, SIDE, 1)),
    BatchNormalization(momentum=0.9),
    ConvLSTM2D(8, (3, 3), padding="same", return_sequences=True),
    BatchNormalization(momentum=0.9),
    Conv3D(1, (1, 3, 3), padding="same", activation="sigmoid"),  # each frame by itself: it may not see the next
])
model.compile(loss="binary_crossentropy", optimizer=Adam(lr=3e-3))
model.fit(seen, followed, batch_size=10, epochs=10, verbose=2, validation_data=(test_seen, test_followed))

# From the fourth frame on there is enough to know where each square goes.
next_frame = overlap(model.predict(test_seen)[:, 3:], test_followed[:, 3:])
still = overlap(test_seen[:, 3:], test_followed[:, 3:])

# Further: what was drawn is taken for the truth, and drawn from again.
begin, ahead = 5, 3
strip = test_seen[:, :begin]
for _ in range(ahead):
    strip = np.concatenate([strip, (model.predict(strip)[:, -1:] > 0.5).astype("float32")], axis=1)
print("overlap of drawn and true frames: " + ", ".join(
    f"{k + 1} ahead {overlap(strip[:, begin + k], test_followed[:, begin + k - 1]):.3f}" for k in range(ahead)))
print(f"a guess that nothing moves would have {still:.3f}")
report("overlap one frame ahead", next_frame, at_least=0.7)
