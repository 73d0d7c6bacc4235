"""Time and memory of the tutorial's question answering about videos: `python -m benchmarks.video`.

100 frames of 3 x 224 x 224 go through six convolutions each and then, 160000 numbers a frame, through an LSTM; 169
million weights. Needs 6 GiB.

What does not live here: the models that are compared with other systems (models.py).
"""

import resource
import time
from typing import Any

import numpy as np

from graphc import frontend_keras as keras
from graphc.frontend_keras.layers import (
    LSTM,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    Input,
    MaxPooling2D,
    TimeDistributed,
    concatenate,
)
from graphc.frontend_keras.models import Model, Sequential

FRAMES, SIDE, WORDS, LENGTH = 100, 224, 10000, 100


def build() -> Any:
    vision = Sequential(name="vision")
    vision.add(Conv2D(64, (3, 3), activation="relu", padding="same", input_shape=(3, SIDE, SIDE)))
    vision.add(Conv2D(64, (3, 3), activation="relu"))
    vision.add(MaxPooling2D((2, 2)))
    vision.add(Conv2D(128, (3, 3), activation="relu", padding="same"))
    vision.add(Conv2D(128, (3, 3), activation="relu"))
    vision.add(MaxPooling2D((2, 2)))
    vision.add(Conv2D(256, (3, 3), activation="relu", padding="same"))
    vision.add(Conv2D(256, (3, 3), activation="relu"))
    vision.add(Conv2D(256, (3, 3), activation="relu"))
    vision.add(MaxPooling2D((2, 2)))
    vision.add(Flatten())
    video, question = Input((FRAMES, 3, SIDE, SIDE)), Input((LENGTH,), dtype="int32")
    seen = LSTM(256)(TimeDistributed(vision)(video))
    asked = LSTM(256)(Embedding(WORDS, 256, input_length=LENGTH)(question))
    return Model([video, question], Dense(1000, activation="softmax")(concatenate([seen, asked])))


def main() -> None:
    keras.backend.set_image_data_format("channels_first")
    rng = np.random.default_rng(0)
    model = build()
    feed = [rng.random((1, FRAMES, 3, SIDE, SIDE), "f4"), rng.integers(0, WORDS, (1, LENGTH))]
    for what in ("weights, compiling, first prediction", "second prediction", "third prediction"):
        start = time.perf_counter()
        answer = model.predict(feed)
        taken, peak = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{what}: {taken:.1f} s; peak memory of the process {peak:.2f} GiB; answers add up to {answer.sum():.6f}",
              flush=True)


if __name__ == "__main__":
    main()
