"""IMDB: reviews of films as lists of word numbers, and whether they are good.

What does not live here: word numbers (words.py), finding and reading files (files.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.frontend_keras.datasets.files import arrays_of, json_of, located, same_length
from graphc.frontend_keras.datasets.words import Numbering, Pair, parted, renamed, shuffled, texts_of

__all__ = ["get_word_index", "load_data"]

_ORIGIN = "https://s3.amazonaws.com/text-datasets/"
_HASH, _INDEX_HASH = "599dadb1135973df5b59232a0e9a887c", "bfafd718b763782e994055a2d397834f"


def load_data(path: str = "imdb.npz", num_words: int | None = None, skip_top: int = 0, maxlen: int | None = None,
              seed: int = 113, start_char: int | None = 1, oov_char: int | None = 2, index_from: int = 3,
              **kwargs: Any) -> tuple[Pair, Pair]:
    """(x_train, y_train), (x_test, y_test): arrays of 25,000 lists of word numbers, and of 0 and 1.

    path  of the file, below ~/.keras/datasets or absolute
    seed  of the order: NumPy's global generator is seeded with it

    The other arguments are those of Numbering. With `maxlen`, training has the first 25,000 texts that are kept.
    Raises MissingDataError (an OSError), DataFormatError, PickleError, ArgumentError.
    """
    num_words = renamed(num_words, kwargs)
    file = located(path, f"{_ORIGIN}imdb.npz", _HASH)
    parts = arrays_of(file, "x_train", "y_train", "x_test", "y_test", lists=("x_train", "x_test"))
    np.random.seed(seed)
    mixed = []
    for texts, labels in (parts[:2], parts[2:]):
        same_length(file, texts, labels)
        mixed.append(shuffled(texts_of(texts, file), labels))
    (x_train, y_train), (x_test, y_test) = mixed
    numbering = Numbering(num_words, skip_top, maxlen, start_char, oov_char, index_from)
    xs, labels = numbering.applied(x_train + x_test, np.concatenate([y_train, y_test]), "imdb")
    return parted(xs, labels, len(x_train))


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """word -> number, 1 for the most common one; `load_data` adds index_from.

    path  of the file, below ~/.keras/datasets or absolute

    Raises MissingDataError (an OSError), DataFormatError.
    """
    return json_of(located(path, f"{_ORIGIN}imdb_word_index.json", _INDEX_HASH))
