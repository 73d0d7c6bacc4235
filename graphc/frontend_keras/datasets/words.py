"""What IMDB and Reuters have in common: texts as lists of word numbers.

What does not live here: finding and reading files (files.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras.datasets.files import DataFormatError
from graphc.frontend_keras.preprocessing.sequence import _remove_long_seq

Pair = tuple[np.ndarray, np.ndarray]
Numbers = list[list[int]]


@dataclass(frozen=True)
class Numbering:
    """How word numbers of a file, 1 for the most common word, become those of the data set.

    num_words   numbers that are not below are out of vocabulary; None: the largest number there is
    skip_top    and so are those below this one
    maxlen      only texts shorter than this are kept; None: all
    start_char  what every text begins with; None: nothing
    oov_char    what stands for words that are out of vocabulary; None: nothing, they are left out
    index_from  added to all numbers

    The numbers that num_words and skip_top mean are those with index_from added; start_char counts as one of them.
    """

    num_words: int | None
    skip_top: int
    maxlen: int | None
    start_char: int | None
    oov_char: int | None
    index_from: int

    def applied(self, xs: Numbers, labels: Any, where: str) -> tuple[Numbers, Any]:
        """Texts and labels as the data set has them. Raises ArgumentError where no text is left."""
        start = [] if self.start_char is None else [self.start_char]
        xs = [start + [word + self.index_from for word in x] for x in xs]
        if self.maxlen:
            xs, labels = _remove_long_seq(self.maxlen, xs, labels)
        if not xs:
            raise ArgumentError(f"After filtering for sequences shorter than maxlen={self.maxlen}, no sequence was "
                                "kept", where=where, fix="Increase maxlen.")
        least, end = self.skip_top, self.num_words or max(max(x, default=0) for x in xs)
        if self.oov_char is None:
            return [[word for word in x if least <= word < end] for x in xs], labels
        return [[word if least <= word < end else self.oov_char for word in x] for x in xs], labels


def renamed(num_words: int | None, keywords: dict[str, Any]) -> int | None:
    """num_words, or nb_words of Keras 1 with a warning. Raises TypeError for other keywords."""
    if "nb_words" in keywords:
        warn("The `nb_words` argument in `load_data` has been renamed `num_words`.")
        num_words = keywords.pop("nb_words")
    if keywords:
        raise TypeError(f"Unrecognized keyword arguments: {keywords}")
    return num_words


def texts_of(found: Any, where: str) -> Numbers:
    """What a file holds, as lists of numbers. Raises DataFormatError."""
    texts = [text.tolist() if isinstance(text, np.ndarray) else text for text in found]
    for text in texts:
        if type(text) is not list or not set(map(type, text)) <= {int}:
            raise DataFormatError("a text that is no list of numbers", where=where, got=type(text).__name__)
    return texts


def shuffled(texts: Numbers, labels: np.ndarray) -> tuple[Numbers, np.ndarray]:
    """Both in one new order, by NumPy's global generator."""
    order = np.arange(len(texts))
    np.random.shuffle(order)
    return [texts[row] for row in order], labels[order]


def parted(xs: Numbers, labels: Any, count: int) -> tuple[Pair, Pair]:
    """The first `count` texts and the others: arrays of lists."""
    return ((_array_of_lists(xs[:count]), np.array(labels[:count])),
            (_array_of_lists(xs[count:]), np.array(labels[count:])))


def _array_of_lists(texts: Numbers) -> np.ndarray:
    array = np.empty(len(texts), dtype=object)
    array[:] = texts
    return array
