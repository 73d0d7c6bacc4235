"""Training rows from nowhere: shifted, turned and scaled copies teach a network what does not matter.

It is trained on digits in the middle of a larger image and tested on digits that lie anywhere in it. Copies are made
batch by batch while training runs, and never twice the same.

Shows: ImageDataGenerator with flow and random_transform, fit_generator with steps, evaluate_generator, clone_model,
the same network trained with and without copies.
"""

import numpy as np
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential, clone_model
from keras.optimizers import Adam
from keras.preprocessing.image import ImageDataGenerator
from small_data import digits, report

SIDE, BATCH, EPOCHS = 14, 64, 20


def framed(images, places):
    """Each 8x8 image at its place (row, column) of a dark frame: (n, SIDE, SIDE, 1)."""
    frames = np.zeros((len(images), SIDE, SIDE, 1), "float32")
    for frame, image, (row, column) in zip(frames, images, places):
        frame[row:row + 8, column:column + 8, 0] = image
    return frames


np.random.seed(31)
(x_train, y_train), (x_test, y_test) = digits()
middle = (SIDE - 8) // 2
x_train = framed(x_train, np.full((len(x_train), 2), middle))
x_test = framed(x_test, np.random.RandomState(32).randint(1, SIDE - 8, size=(len(x_test), 2)))

plain = Sequential([
    Conv2D(16, (3, 3), activation="relu", input_shape=(SIDE, SIDE, 1)),
    Conv2D(16, (3, 3), activation="relu"),
    MaxPooling2D(),
    Dropout(0.2),
    Flatten(),
    Dense(64, activation="relu"),
    Dense(10, activation="softmax"),
])
augmented = clone_model(plain)
for model in (plain, augmented):
    model.compile(loss="sparse_categorical_crossentropy", optimizer=Adam(lr=2e-3), metrics=["accuracy"])

# Both generators take each image's own mean away; only one of them makes copies.
# A shift of 3 means: fewer than 3 pixels, in either direction.
copies = ImageDataGenerator(samplewise_center=True, rotation_range=10, width_shift_range=3, height_shift_range=3,
                            zoom_range=0.1, fill_mode="constant", cval=0.0)
as_they_are = ImageDataGenerator(samplewise_center=True)
one = copies.random_transform(x_train[0], seed=1)
for left, right in zip(x_train[0, :, :, 0], one[:, :, 0]):
    print("   ".join("".join(" .:*#"[min(4, int(5 * value))] * 2 for value in row) for row in (left, right)))

steps = -(-len(x_train) // BATCH)
test = as_they_are.flow(x_test, y_test, batch_size=BATCH, shuffle=False)
plain.fit_generator(as_they_are.flow(x_train, y_train, batch_size=BATCH, seed=33), steps_per_epoch=steps,
                    epochs=EPOCHS, verbose=0, shuffle=False)
augmented.fit_generator(copies.flow(x_train, y_train, batch_size=BATCH, seed=33), steps_per_epoch=steps,
                        epochs=EPOCHS, verbose=2, shuffle=False, validation_data=test, validation_steps=len(test))

without, with_copies = (model.evaluate_generator(test, steps=len(test))[1] for model in (plain, augmented))
print(f"digits away from the middle: accuracy {without:.4f} without copies, {with_copies:.4f} with them")
assert with_copies > without + 0.1, "copies should help"
report("test accuracy with copies", with_copies, at_least=0.9)
