"""Data for the examples of this folder: small, made or read here, the same in every run; and how a result is judged.

digits    1,797 handwritten digits of 8x8 pixels (examples/digits.md says where they are from)
reviews   made-up opinions; "not" and "hardly" turn an adjective into its opposite, the majority gives the label
topics    made-up notes on six subjects, which differ in how often they use which words
report    the last line of an example: the figure it reached, and status 1 if that is too little

What does not live here: any Keras.
"""

import sys
from pathlib import Path

import numpy as np

GOOD = ["bright", "charming", "clever", "fresh", "funny", "gripping", "lovely", "moving", "rich", "warm"]
BAD = ["bland", "boring", "clumsy", "dull", "flat", "grim", "lazy", "messy", "noisy", "weak"]
THINGS = ["plot", "story", "cast", "music", "ending", "dialogue", "picture", "pace", "humour", "hero"]
DEGREES = ["very", "quite", "rather", "really", "truly"]
TURNS = ["not", "hardly"]
FILLERS = ["and", "overall", "then", "honestly", "still"]

SUBJECTS = {
    "harbour": "anchor boat captain crane dock ferry mast pilot quay tide",
    "kitchen": "butter dough flour kettle oven pan pepper salt spoon yeast",
    "garden": "bean compost frost hedge lawn rake root seed soil weed",
    "railway": "bridge carriage driver engine platform rail signal station ticket tunnel",
    "weather": "cloud drizzle fog gale hail lightning rainbow storm sunshine thunder",
    "music": "cello chord choir drum flute melody organ rhythm tempo violin",
}
COMMON = ["about", "again", "before", "day", "evening", "good", "hour", "long", "morning", "new", "nothing",
          "people", "small", "slow", "time", "today", "week", "year"]


def digits(test=360):
    """(x_train, y_train), (x_test, y_test): images (n, 8, 8) of float32 in [0, 1], labels (n,) of 0 to 9."""
    with np.load(Path(__file__).resolve().parents[1] / "digits.npz") as data:
        images, labels = data["images"].astype("float32") / 16, data["labels"].astype("int64")
    order = np.random.RandomState(0).permutation(len(images))
    train, held_out = order[test:], order[:test]
    return (images[train], labels[train]), (images[held_out], labels[held_out])


def reviews(n, seed):
    """n texts and their labels (n,), 1 for a good opinion. Each has 3 or 5 clauses like "the plot was not dull."."""
    random = np.random.RandomState(seed)
    texts, labels = [], []
    for _ in range(n):
        verdicts = random.rand(random.choice([3, 5])) < 0.5
        texts.append(" ".join(_clause(random, good) for good in verdicts))
        labels.append(int(2 * verdicts.sum() > len(verdicts)))
    return texts, np.array(labels)


def _clause(random, good):
    turned = random.rand() < 0.5
    adjective = random.choice(GOOD if good != turned else BAD)
    words = [random.choice(FILLERS)] if random.rand() < 0.3 else []
    words += ["the", random.choice(THINGS), "was"]
    words += [random.choice(TURNS)] if turned else []
    words += [random.choice(DEGREES)] if random.rand() < 0.2 else []
    return " ".join([*words, adjective]) + "."


def topics(n, seed, length=16):
    """n texts and their labels (n,) of 0 to 5. Only some of a text's words belong to its subject, a few to others."""
    random = np.random.RandomState(seed)
    vocabularies = [words.split() for words in SUBJECTS.values()]
    labels = random.randint(len(vocabularies), size=n)
    texts = []
    for label in labels:
        kinds = random.choice(3, size=length, p=[0.6, 0.29, 0.11])
        pools = [COMMON, vocabularies[label], vocabularies[random.randint(len(vocabularies))]]
        texts.append(" ".join(random.choice(pools[kind]) for kind in kinds))
    return texts, labels


def report(name, value, at_least=None, at_most=None):
    """Print what was reached and what was wanted; end the program with status 1 where it is not reached."""
    wanted = f"at least {at_least}" if at_most is None else f"at most {at_most}"
    print(f"{name} {value:.4g} ({wanted} wanted)")
    if not (value >= at_least if at_most is None else value <= at_most):
        sys.exit(1)
