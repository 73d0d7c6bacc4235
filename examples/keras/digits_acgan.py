"""Two networks in a contest: one draws digits to order, the other says whether it is shown a real digit, and which.

A. Odena, C. Olah, J. Shlens, "Conditional Image Synthesis With Auxiliary Classifier GANs", 2016. The judge, a third
network that never takes part in the contest, reads what was drawn: is a digit what was asked for?

Shows: train_on_batch, trainable switched off in front of a second compile, two outputs with a loss each, named losses,
Embedding and multiply, label smoothing.
"""

import numpy as np
from keras.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    LeakyReLU,
    Reshape,
    UpSampling2D,
    multiply,
)
from keras.models import Model, Sequential
from keras.optimizers import Adam
from small_data import digits, report

NOISE, BATCH, EPOCHS = 32, 60, 20


def make_generator():
    """From noise and a wish, whose product is where the drawing begins, to an image."""
    trunk = Sequential([
        Dense(4 * 4 * 32, activation="relu", input_shape=(NOISE,)),
        Reshape((4, 4, 32)),
        BatchNormalization(),
        UpSampling2D(),
        Conv2D(16, 3, padding="same", activation="relu"),
        BatchNormalization(),
        Conv2D(1, 3, padding="same", activation="sigmoid"),
    ])
    noise, wish = Input((NOISE,), name="noise"), Input((1,), dtype="int32", name="wish")
    return Model([noise, wish], trunk(multiply([noise, Flatten()(Embedding(10, NOISE)(wish))])), name="generator")


def make_critic():
    """From an image to two answers: is it real, and which digit is it?"""
    trunk = Sequential([
        Conv2D(16, 3, padding="same", strides=2, input_shape=(8, 8, 1)),
        LeakyReLU(0.2),
        Dropout(0.3),
        Conv2D(32, 3, padding="same"),
        LeakyReLU(0.2),
        Dropout(0.3),
        Flatten(),
    ])
    image = Input((8, 8, 1), name="image")
    seen = trunk(image)
    answers = [Dense(1, activation="sigmoid", name="real")(seen), Dense(10, activation="softmax", name="digit")(seen)]
    return Model(image, answers, name="critic")


def make_judge(images, labels):
    judge = Sequential([Flatten(input_shape=(8, 8, 1)), Dense(128, activation="relu"), Dropout(0.4),
                        Dense(10, activation="softmax")])
    judge.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    judge.fit(images, labels, epochs=30, verbose=0)
    return judge


np.random.seed(24)
(x_train, y_train), (x_test, y_test) = digits()
x_train, x_test = x_train[..., np.newaxis], x_test[..., np.newaxis]
losses = {"real": "binary_crossentropy", "digit": "sparse_categorical_crossentropy"}

critic = make_critic()
critic.compile(Adam(lr=1e-3, beta_1=0.5), loss=losses)

# The generator learns through a critic that holds still: what is not trainable when a model is compiled stays as it is.
# The critic itself was compiled before and goes on learning. Keras warns that the two differ, which is what is meant.
generator = make_generator()
noise, wish = Input((NOISE,)), Input((1,), dtype="int32")
critic.trainable = False
contest = Model([noise, wish], critic(generator([noise, wish])))
contest.compile(Adam(lr=1e-3, beta_1=0.5), loss=["binary_crossentropy", "sparse_categorical_crossentropy"])


def draw(wishes):
    return generator.predict([np.random.uniform(-1, 1, (len(wishes), NOISE)), wishes.reshape(-1, 1)])


for epoch in range(EPOCHS):
    order = np.random.permutation(len(x_train))
    for begin in range(0, len(order) - BATCH + 1, BATCH):
        rows = order[begin:begin + BATCH]
        wishes = np.random.randint(10, size=BATCH)
        images = np.concatenate([x_train[rows], draw(wishes)])
        real = np.repeat([0.95, 0.0], BATCH).reshape(-1, 1)  # a critic that is never quite sure leaves more to learn
        which = np.concatenate([y_train[rows], wishes]).reshape(-1, 1)
        critic_loss = critic.train_on_batch(images, {"real": real, "digit": which})
        for _ in range(2):
            wishes = np.random.randint(10, size=(BATCH, 1))
            contest_loss = contest.train_on_batch([np.random.uniform(-1, 1, (BATCH, NOISE)), wishes],
                                                  [np.ones((BATCH, 1)), wishes])
    if epoch % 5 == 4:
        parts = ", ".join(f"{name} {value:.2f}" for name, value in zip(critic.metrics_names, critic_loss))
        print(f"epoch {epoch + 1}: critic {parts}; generator {contest_loss[0]:.2f}")

drawn = draw(np.arange(10))
for rows in zip(*drawn[:6, :, :, 0]):
    print("  ".join("".join(" .:*#"[min(4, int(5 * value))] * 2 for value in row) for row in rows))
judge = make_judge(x_train, y_train)
wishes = np.arange(1000) % 10
print(f"the judge reads {100 * judge.evaluate(x_test, y_test, verbose=0)[1]:.1f} % of real digits rightly")
as_wished = judge.evaluate(draw(wishes), wishes, verbose=0)[1]
report("share of drawn digits that are what was asked for", as_wished, at_least=0.85)
