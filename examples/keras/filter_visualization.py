"""What does a filter look for? Start from grey noise and climb: change the image so that the filter answers more.

The method is D. Erhan and others, "Visualizing Higher-Layer Features of a Deep Network", 2009: gradient ascent in the
space of images. The same is done for a whole class: which image is most surely a three?

Shows: K.gradients with respect to an input, K.function with several outputs, layers found by name, K.learning_phase.
"""

import numpy as np
from keras import backend as K
from keras.layers import Activation, Conv2D, Dense, Dropout, Flatten, LeakyReLU, MaxPooling2D
from keras.models import Sequential
from small_data import digits, report

STEPS, STEP = 60, 0.05


def climb(model, height, seed, decay=0.0):
    """The image that ascent ends at, and the heights (scalars) it began and ended with.

    decay is the share by which each step pulls the image towards black, which keeps strokes and wipes out specks.
    """
    image = model.input
    slope = K.gradients(height, image)[0]
    slope = slope / (K.sqrt(K.mean(K.square(slope))) + K.epsilon())  # steps of one length, however steep it is
    look = K.function([image, K.learning_phase()], [height, slope])
    x = np.random.RandomState(seed).uniform(0.2, 0.8, (1, 8, 8, 1))
    before = look([x, 0])[0]
    for _ in range(STEPS):
        x = np.clip((1 - decay) * (x + STEP * look([x, 0])[1]), 0, 1)
    return x[0, :, :, 0], float(before), float(look([x, 0])[0])


def show(images):
    for rows in zip(*images):
        print("   ".join("".join(" .:*#"[min(4, int(5 * value))] * 2 for value in row) for row in rows))


np.random.seed(17)
(x_train, y_train), (x_test, y_test) = digits()
model = Sequential([
    Conv2D(16, (3, 3), activation="relu", input_shape=(8, 8, 1), name="first"),
    Conv2D(32, (3, 3), name="second"),
    LeakyReLU(0.1),
    MaxPooling2D((2, 2)),
    Dropout(0.3),
    Flatten(),
    Dense(10, name="score"),
    Activation("softmax"),
])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train[..., None], y_train, batch_size=64, epochs=20, verbose=0)
print(f"test accuracy {model.evaluate(x_test[..., None], y_test, verbose=0)[1]:.4f}")

answers = model.get_layer("second").output  # in front of the activation: a slope is there for negative answers too
typical = K.function([model.input, K.learning_phase()], [K.mean(answers, axis=[0, 1, 2])])([x_test[..., None], 0])[0]
strongest = np.argsort(typical)[-4:]
gains, found = [], []
for filter_ in strongest:
    image, before, after = climb(model, K.mean(answers[:, :, :, int(filter_)]), seed=int(filter_))
    found.append(image)
    gains.append(after - typical[filter_])
    print(f"filter {filter_:2}: {before:.3f} for noise, {typical[filter_]:.3f} for real digits, {after:.3f} at the end")
show(found)

score = model.get_layer("score").output
ideals = [climb(model, score[0, digit], seed=digit, decay=0.05)[0] for digit in range(10)]
show(ideals[:5])
sure = model.predict(np.array(ideals)[..., None])[np.arange(10), np.arange(10)]
print("taken for the digit they were made for: " + "  ".join(f"{p:.3f}" for p in sure))
assert sure.min() > 0.9, "an ideal digit is not recognised"
report("least a filter gained over real digits", min(gains), at_least=0.5)
