"""Do two images show the same digit? One network reads both, and the distance of what it makes of them decides.

The contrastive loss (R. Hadsell, S. Chopra, Y. LeCun, "Dimensionality Reduction by Learning an Invariant Mapping",
2006) pulls equal pairs together and pushes others apart until they are a margin away.

Shows: a model used as a shared layer, two inputs, Lambda with output_shape, a loss and a metric of one's own.
"""

import numpy as np
from keras import backend as K
from keras.layers import Dense, Dropout, Flatten, Input, Lambda
from keras.models import Model
from keras.optimizers import RMSprop
from small_data import digits, report

MARGIN = 1.0


def pairs(images, labels, n, random):
    """n pairs of images, every second one of the same digit, and 1 or 0 for same or not."""
    places = [np.flatnonzero(labels == digit) for digit in range(10)]
    left, right, same = [], [], np.arange(n) % 2
    for equal in same:
        first = random.randint(10)
        second = first if equal else (first + random.randint(1, 10)) % 10
        left.append(random.choice(places[first]))
        right.append(random.choice(places[second]))
    return [images[left], images[right]], same.astype("float32")


def distance(vectors):
    """Euclid's distance; the small number keeps the square root's slope finite where both are equal."""
    a, b = vectors
    return K.sqrt(K.maximum(K.sum(K.square(a - b), axis=1, keepdims=True), K.epsilon()))


def contrastive(same, apart):
    return K.mean(same * K.square(apart) + (1 - same) * K.square(K.maximum(MARGIN - apart, 0)))


def hits(same, apart):
    """The share of pairs that fall on the right side of half the margin."""
    return K.mean(K.equal(same, K.cast(apart < MARGIN / 2, K.dtype(same))))


def reader():
    """From an image to a point; both images go through the very same weights."""
    image = Input(shape=(8, 8))
    x = Flatten()(image)
    x = Dense(96, activation="relu")(x)
    x = Dropout(0.1)(x)
    x = Dense(96, activation="relu")(x)
    return Model(image, Dense(32)(x), name="reader")


np.random.seed(3)
(x_train, y_train), (x_test, y_test) = digits()
random = np.random.RandomState(4)
train, train_same = pairs(x_train, y_train, 12000, random)
test, test_same = pairs(x_test, y_test, 2000, random)

shared = reader()
left, right = Input(shape=(8, 8), name="left"), Input(shape=(8, 8), name="right")
apart = Lambda(distance, output_shape=lambda shapes: (shapes[0][0], 1), name="distance")([shared(left), shared(right)])
model = Model([left, right], apart)
model.compile(loss=contrastive, optimizer=RMSprop(), metrics=[hits])
model.fit(train, train_same, batch_size=128, epochs=12, verbose=2, validation_data=(test, test_same))

apart_now = model.predict(test)[:, 0]
equal, other = (apart_now[test_same == kind].mean() for kind in (1, 0))
print(f"mean distance of equal pairs {equal:.2f}, of others {other:.2f}")
report("share of pairs judged rightly", model.evaluate(test, test_same, verbose=0)[1], at_least=0.95)
