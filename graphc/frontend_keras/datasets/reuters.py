"""Reuters: news as lists of word numbers, in 46 classes.

What does not live here: word numbers (words.py), finding and reading files (files.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.frontend_keras.datasets.files import arrays_of, json_of, located, same_length
from graphc.frontend_keras.datasets.words import Numbering, Pair, parted, renamed, shuffled, texts_of

__all__ = ["get_word_index", "load_data"]

_ORIGIN = "https://s3.amazonaws.com/text-datasets/"
_HASH, _INDEX_HASH = "87aedbeb0cb229e378797a632c1997b6", "4d44cc38712099c9e383dc6e5f11a921"


def load_data(path: str = "reuters.npz", num_words: int | None = None, skip_top: int = 0, maxlen: int | None = None,
              test_split: float = 0.2, seed: int = 113, start_char: int | None = 1, oov_char: int | None = 2,
              index_from: int = 3, **kwargs: Any) -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test): arrays of lists of word numbers (11,228 in all), and of class numbers.

    path        of the file, below ~/.keras/datasets or absolute
    test_split  fraction of the texts that is for tests
    seed        of the order: NumPy's global generator is seeded with it

    The other arguments are those of Numbering. Raises MissingDataError (an OSError), DataFormatError, PickleError,
    ArgumentError.
    """
    num_words = renamed(num_words, kwargs)
    file = located(path, f"{_ORIGIN}reuters.npz", _HASH)
    texts, labels = arrays_of(file, "x", "y", lists=("x",))
    same_length(file, texts, labels)
    np.random.seed(seed)
    texts, labels = shuffled(texts_of(texts, file), labels)
    numbering = Numbering(num_words, skip_top, maxlen, start_char, oov_char, index_from)
    xs, labels = numbering.applied(texts, labels, "reuters")
    return parted(xs, labels, int(len(xs) * (1 - test_split)))


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """word -> number, 1 for the most common one; `load_data` adds index_from.

    path  of the file, below ~/.keras/datasets or absolute

    Raises MissingDataError (an OSError), DataFormatError.
    """
    return json_of(located(path, f"{_ORIGIN}reuters_word_index.json", _INDEX_HASH))
