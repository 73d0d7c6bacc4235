"""Questions about little stories, answered by a network with a memory: it looks up the sentence that matters.

After S. Sukhbaatar, A. Szlam, J. Weston, R. Fergus, "End-To-End Memory Networks", 2015, on stories made here in the
manner of their first task: "Mary went to the garden. John moved to the office. Where is Mary?"

Shows: several embeddings of one input, dot, Activation, add and concatenate as functions, three-dimensional integer
input, a second model that shows what the first one looked at.
"""

import numpy as np
from keras import backend as K
from keras.layers import Activation, Dense, Dropout, Embedding, Input, Lambda, add, concatenate, dot
from keras.models import Model
from small_data import report

PEOPLE = ["daniel", "john", "mary", "sandra"]
PLACES = ["bathroom", "bedroom", "garden", "hallway", "kitchen", "office"]
VERBS = ["went", "moved", "travelled"]
WORDS = ["", *PEOPLE, *PLACES, *VERBS, "to", "the", "where", "is"]
SENTENCES, LENGTH, ASKED = 6, 5, 3  # sentences of "mary went to the garden", questions "where is mary"


def story(random):
    """Sentences as rows of word numbers, the question, the answer, and the sentence that holds it."""
    people = random.randint(len(PEOPLE), size=random.randint(2, SENTENCES + 1))
    places = random.randint(len(PLACES), size=len(people))
    lines = np.zeros((SENTENCES, LENGTH), "int32")
    for row, (person, place) in enumerate(zip(people, places)):
        words = [PEOPLE[person], random.choice(VERBS), "to", "the", PLACES[place]]
        lines[row] = [WORDS.index(word) for word in words]
    who = random.choice(people)
    last = np.flatnonzero(people == who)[-1]
    return lines, [WORDS.index(word) for word in ("where", "is", PEOPLE[who])], places[last], last


def stories(n, seed):
    random = np.random.RandomState(seed)
    return [np.array(column) for column in zip(*(story(random) for _ in range(n)))]


def sum_of_words(width):
    """A sentence as the sum of its words' vectors; the empty word's is turned into nothing by its zero."""
    return Lambda(lambda x: K.sum(x, axis=-2), output_shape=lambda shape: (*shape[:-2], width))


np.random.seed(16)
lines, questions, answers, sources = stories(4000, seed=0)
test_lines, test_questions, test_answers, test_sources = stories(1000, seed=1)

tale = Input((SENTENCES, LENGTH), dtype="int32", name="tale")
question = Input((ASKED,), dtype="int32", name="question")
width = 32
keys = sum_of_words(width)(Embedding(len(WORDS), width)(tale))            # by what a sentence is found
order = Embedding(SENTENCES, width, name="order")
positions = Lambda(lambda x: K.zeros_like(x[:, :, 0]) + K.arange(SENTENCES, dtype="int32"), output_shape=(SENTENCES,))
keys = add([keys, order(positions(tale))])                                # the last visit counts, so time is part of it
values = sum_of_words(width)(Embedding(len(WORDS), width)(tale))          # what a sentence says
asked = sum_of_words(width)(Embedding(len(WORDS), width)(question))

attention = Activation("softmax", name="attention")(dot([keys, asked], axes=(2, 1)))
found = dot([values, attention], axes=(1, 1))
x = Dropout(0.1)(concatenate([found, asked]))
model = Model([tale, question], Dense(len(PLACES), activation="softmax")(x))
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit([lines, questions], answers, batch_size=32, epochs=40, verbose=2)

looked_at = Model(model.inputs, attention).predict([test_lines, test_questions])
agreed = (looked_at.argmax(axis=-1) == test_sources).mean()
print(f"the sentence most looked at is the one with the answer in {100 * agreed:.1f} %")
print(" ".join(WORDS[word] for word in test_questions[0]) + "?")
for line, share in zip(test_lines[0], looked_at[0]):
    print(f"  {share:.2f} {' '.join(WORDS[word] for word in line)}")
accuracy = model.evaluate([test_lines, test_questions], test_answers, verbose=0)[1]
report("test accuracy", accuracy, at_least=0.9)
