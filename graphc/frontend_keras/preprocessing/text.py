"""Texts as sequences of numbers and as rows of a matrix.

What does not live here: padding the sequences (sequence.py), their vectors (layers/embeddings.py).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, DTypeError, ModelFormatError, warn
from graphc.frontend_keras.preprocessing.configurations import config_of, described, parsed

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_MODES = ("binary", "count", "tfidf", "freq")
_TABLES = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
_BY_NUMBER = ("index_docs", "index_word")


def text_to_word_sequence(text: str, filters: str = _FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """The words of a text, in their order.

    filters  characters that count as separators
    lower    whether words are in lower case
    split    the separator

    Raises DTypeError (a TypeError) for what is no text.
    """
    if not isinstance(text, str):
        raise DTypeError("not a text", where="text_to_word_sequence", expected="a string", got=f"{text!r:.100}")
    text = text.lower() if lower else text
    text = text.translate({ord(character): split for character in filters})
    return [word for word in text.split(split) if word]


def one_hot(text: str, n: int, filters: str = _FILTERS, lower: bool = True, split: str = " ") -> list[int]:
    """`hashing_trick` with Python's `hash`, which differs from process to process unless PYTHONHASHSEED is set."""
    return hashing_trick(text, n, hash_function=hash, filters=filters, lower=lower, split=split)


def hashing_trick(text: str, n: int, hash_function: str | Callable[[str], int] | None = None, filters: str = _FILTERS,
                  lower: bool = True, split: str = " ") -> list[int]:
    """The words of a text as numbers from 1 to n - 1; different words may get the same one.

    n              at least 2; 0 stands for no word
    hash_function  "md5", which is the same in all processes; any function from str to int; None: Python's `hash`

    Raises ArgumentError.
    """
    if n < 2:
        raise ArgumentError("`n` leaves no number for a word", where="hashing_trick", expected="2 or more", got=n)
    if isinstance(hash_function, str) and hash_function != "md5":
        raise ArgumentError("an unknown hash function", where="hashing_trick", expected='"md5" or a function',
                            got=repr(hash_function))
    number_of: Any = hash if hash_function is None else _md5 if hash_function == "md5" else hash_function
    return [number_of(word) % (n - 1) + 1 for word in text_to_word_sequence(text, filters, lower, split)]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer:
    """Numbers the words of texts by how common they are: 1 for the most common one; 0 stands for no word.

    num_words       only words with numbers below are kept in sequences and matrices; None: all
    filters         characters that count as separators
    lower           whether words are in lower case
    split           the separator
    char_level      whether every character is a word
    oov_token       a word, then number 1, that takes the place of unknown ones; None: they are left out
    document_count  how many texts have been seen already

    A text may be given as a list of words, too. Tables: word_counts, word_docs (in how many texts a word occurs),
    index_docs (the same by number), word_index, index_word.
    """

    def __init__(self, num_words: int | None = None, filters: str = _FILTERS, lower: bool = True, split: str = " ",
                 char_level: bool = False, oov_token: str | None = None, document_count: int = 0, **kwargs: Any):
        if "nb_words" in kwargs:
            warn("The `nb_words` argument in `Tokenizer` has been renamed `num_words`.")
            num_words = kwargs.pop("nb_words")
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
        self.num_words, self.document_count = num_words, document_count
        self.filters, self.split, self.lower = filters, split, lower
        self.char_level, self.oov_token = char_level, oov_token
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: dict[str, int] = defaultdict(int)
        self.index_docs: dict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: str | list[str]) -> Sequence[str]:
        if isinstance(text, list):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return text.lower() if self.lower else text
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[str | list[str]]) -> None:
        """Count the words of more texts, and number all words anew."""
        for text in texts:
            words = self._words(text)
            self.document_count += 1
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        common = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        first = [] if self.oov_token is None else [self.oov_token]
        self.word_index = {word: number for number, word in enumerate(first + common, 1)}
        self.index_word = {number: word for word, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Sequence[Sequence[int]]) -> None:
        """Count in how many sequences each number occurs, for `sequences_to_matrix` without texts."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(map(_plain, sequence)):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable[str | list[str]]) -> list[list[int]]:
        """The numbers of the words of each text."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[str | list[str]]) -> Iterator[list[int]]:
        """As `texts_to_sequences`, one text after the other."""
        for text in texts:
            numbers = (self._kept(self.word_index.get(word)) for word in self._words(text))
            yield [number for number in numbers if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """The words that the numbers of each sequence stand for, with blanks between."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """As `sequences_to_texts`, one sequence after the other."""
        for sequence in sequences:
            numbers = (self._kept(number if number in self.index_word else None) for number in sequence)
            yield " ".join(self.index_word[number] for number in numbers if number is not None)

    def _kept(self, number: int | None) -> int | None:
        """The number itself, or that of `oov_token` (None without one) where it is unknown or not below num_words."""
        if number is None or (self.num_words and number >= self.num_words):
            return None if self.oov_token is None else self.word_index.get(self.oov_token)
        return number

    def texts_to_matrix(self, texts: Iterable[str | list[str]], mode: str = "binary") -> np.ndarray:
        """`sequences_to_matrix` of `texts_to_sequences`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode=mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> np.ndarray:
        """A row for each sequence and a column for each number: float64 of shape (len(sequences), num_words).

        mode  "binary": 1 where a number occurs; "count": how often; "freq": as a fraction of the sequence;
              "tfidf": (1 + ln count) ln(1 + documents / (1 + documents with the word))

        Raises ArgumentError without `num_words` before any text was seen, and for another mode.
        """
        if not self.num_words and not self.word_index:
            raise ArgumentError("Specify a dimension (num_words argument), or fit on some text data first",
                                where="Tokenizer")
        if mode not in _MODES:
            raise ArgumentError(f"Unknown vectorization mode: {mode}", where="Tokenizer",
                                expected=f"one of {_MODES}")
        if mode == "tfidf" and not self.document_count:
            raise ArgumentError("Fit the Tokenizer on some data before using tfidf mode", where="Tokenizer")
        columns = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), columns))
        for row, sequence in zip(matrix, sequences):
            for number, count in Counter(number for number in sequence if number < columns).items():
                row[number] = self._weight(mode, number, count, len(sequence))
        return matrix

    def _weight(self, mode: str, number: int, count: int, length: int) -> float:
        if mode == "tfidf":
            documents = self.index_docs.get(number, 0)
            return float((1 + np.log(count)) * np.log(1 + self.document_count / (1 + documents)))
        if mode == "freq":
            return count / length
        return count if mode == "count" else 1

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the tables as JSON texts."""
        config = {name: getattr(self, name) for name in (
            "num_words", "filters", "lower", "split", "char_level", "oov_token", "document_count")}
        return config | {name: json.dumps(getattr(self, name)) for name in _TABLES}

    def to_json(self, **kwargs: Any) -> str:
        """The class and `get_config()` as JSON; keywords go to json.dumps."""
        return described(self, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """The Tokenizer that `to_json` described. Raises ModelFormatError."""
    config = config_of(json_string, Tokenizer, beside=_TABLES)
    tables = {name: _table(config.pop(name, "{}"), name) for name in _TABLES}
    tokenizer = Tokenizer(**config)
    tokenizer.word_counts = OrderedDict(tables["word_counts"])
    tokenizer.word_docs = defaultdict(int, tables["word_docs"])
    tokenizer.index_docs = defaultdict(int, tables["index_docs"])
    tokenizer.word_index, tokenizer.index_word = tables["word_index"], tables["index_word"]
    return tokenizer


def _table(text: Any, name: str) -> dict[Any, Any]:
    found = parsed(text, f"Tokenizer, {name}")
    kind = str if name == "index_word" else int
    if not isinstance(found, dict) or not all(isinstance(value, kind) for value in found.values()):
        raise ModelFormatError(f"not a table of {kind.__name__}", where=f"Tokenizer, {name}", got=f"{found!r:.100}")
    if name not in _BY_NUMBER:
        return found
    try:
        return {int(number): value for number, value in found.items()}
    except ValueError as error:
        raise ModelFormatError("a key is no number", where=f"Tokenizer, {name}", got=f"{error!s:.100}") from error


def _plain(number: Any) -> Any:
    """A key that JSON can write, and that is the word's whatever the type of the array is that it comes from."""
    if isinstance(number, np.generic):
        number = number.item()
    return int(number) if isinstance(number, float) and number.is_integer() else number
