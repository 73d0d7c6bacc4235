"""Sequences of numbers: padding, skipgrams, and windows over a time series.

What does not live here: texts (text.py), training on what these give (engine/training_generator.py).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, IndexRangeError, ShapeError
from graphc.frontend_keras.preprocessing.configurations import config_of, described, parsed
from graphc.frontend_keras.utils.data_utils import Sequence as BatchSequence

__all__ = ["TimeseriesGenerator", "make_sampling_table", "pad_sequences", "skipgrams",
           "timeseries_generator_from_json"]

_EULER = 0.577
_SIDES = ("pre", "post")
_SEEDS = 10_000_000


def pad_sequences(sequences: Any, maxlen: int | None = None, dtype: Any = "int32", padding: str = "pre",
                  truncating: str = "pre", value: Any = 0.0) -> np.ndarray:
    """Sequences of different lengths as one array of shape (number of sequences, maxlen, *shape of an item).

    maxlen      length of all rows; default: that of the longest sequence
    dtype       element type of the result; `object` holds strings of any length
    padding     "pre" or "post": the end of a row where a short sequence is filled up with `value`
    truncating  "pre" or "post": the end where items of a long sequence are left out

    Raises ArgumentError, and ShapeError for items of different shapes; both are ValueErrors.
    """
    _check_sides(padding, truncating)
    lengths = _lengths(sequences)
    if isinstance(value, str) and np.dtype(dtype).kind not in "OU":
        raise ArgumentError("`value` is a text, which `dtype` does not hold", where="pad_sequences",
                            expected="dtype=object", got=f"dtype={dtype!r}")
    maxlen = max(lengths, default=0) if maxlen is None else int(maxlen)
    if maxlen < 0:
        raise ArgumentError("`maxlen` is negative", where="pad_sequences", got=maxlen)
    first = next((one for one, length in zip(sequences, lengths) if length), ())
    item = np.asarray(first, dtype=dtype).shape[1:]
    padded = np.full((len(lengths), maxlen, *item), value, dtype=dtype)
    for row, (one, length) in enumerate(zip(sequences, lengths)):
        kept = min(length, maxlen)
        if kept:
            part = np.asarray(one[length - kept:] if truncating == "pre" else one[:kept], dtype=dtype)
            if part.shape[1:] != item:
                raise ShapeError(f"the items of sequence {row} differ in shape from those before",
                                 where="pad_sequences", expected=item, got=part.shape[1:])
            start = maxlen - kept if padding == "pre" else 0
            padded[row, start:start + kept] = part
    return padded


def _check_sides(padding: str, truncating: str) -> None:
    for name, side in (("Padding", padding), ("Truncating", truncating)):
        if side not in _SIDES:
            raise ArgumentError(f"{name} type \"{side}\" not understood", where="pad_sequences",
                                expected='"pre" or "post"')


def _lengths(sequences: Any) -> list[int]:
    if not hasattr(sequences, "__len__"):
        raise ArgumentError("`sequences` must be iterable", where="pad_sequences", expected="a list of sequences",
                            got=type(sequences).__name__)
    for row, one in enumerate(sequences):
        if not hasattr(one, "__len__"):
            raise ArgumentError("`sequences` must be a list of iterables. Found non-iterable",
                                where=f"pad_sequences, sequence {row}", got=f"{one!r:.100}")
    return [len(one) for one in sequences]


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """The probability with which `skipgrams` keeps the word of each rank, as float64 of shape (size,).

    Words are taken to follow Zipf's law: the i-th most common one has the frequency
    1 / (i (ln i + gamma) + 1/2 - 1/(12 i)), and is kept with min(1, sqrt(sampling_factor / frequency)) as in word2vec
    (Mikolov et al., arXiv 1310.4546, section 2.3). Rank 0, which is no word, has the value of rank 1.
    """
    rank = np.arange(size)
    rank[:1] = 1
    rarity = sampling_factor * (rank * (np.log(rank) + _EULER) + 0.5 - 1.0 / (12.0 * rank))
    return np.minimum(1.0, rarity / np.sqrt(rarity))


def skipgrams(sequence: Sequence[int], vocabulary_size: int, window_size: int = 4, negative_samples: float = 1.0,
              shuffle: bool = True, categorical: bool = False, sampling_table: Any = None,
              seed: int | None = None) -> tuple[list[list[int]], list[Any]]:
    """Pairs of words with a label: 1 for two words of one window, 0 for a word and a random one.

    sequence          word numbers; 0 is no word and is left out
    vocabulary_size   random words are drawn from 1 to vocabulary_size - 1
    window_size       how many words to each side belong to a word's window
    negative_samples  how many pairs with label 0 there are for each pair with label 1
    shuffle           whether the pairs are in random order
    categorical       labels are [0, 1] and [1, 0] in place of 1 and 0
    sampling_table    the probability with which each word is kept, see `make_sampling_table`
    seed              of the order only; Python's global generator draws the rest, and is seeded with it

    Returns a list of pairs and the list of their labels.
    """
    positive, negative = ([0, 1], [1, 0]) if categorical else (1, 0)
    couples = _neighbours(sequence, window_size, sampling_table)
    labels: list[Any] = [positive] * len(couples)
    if negative_samples > 0:
        count = int(len(labels) * negative_samples)
        words = [word for word, _ in couples]
        random.shuffle(words)
        couples += [[words[i % len(words)], random.randint(1, vocabulary_size - 1)] for i in range(count)]
        labels += [negative] * count
    if shuffle:
        seed = random.randint(0, _SEEDS) if seed is None else seed
        for together in (couples, labels):
            random.seed(seed)
            random.shuffle(together)
    return couples, [list(label) for label in labels] if categorical else labels


def _neighbours(sequence: Sequence[int], window_size: int, sampling_table: Any) -> list[list[int]]:
    couples = []
    for i, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        start = max(0, i - window_size)
        window = sequence[start:i + window_size + 1]
        couples += [[word, other] for j, other in enumerate(window, start) if j != i and other]
    return couples


def _remove_long_seq(maxlen: int, seq: Iterable[Any], label: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """The sequences shorter than `maxlen`, and their labels."""
    kept = [(one, its) for one, its in zip(seq, label) if len(one) < maxlen]
    return [one for one, _ in kept], [its for _, its in kept]


class TimeseriesGenerator(BatchSequence):
    """Windows over a time series in batches: a Sequence of (samples, targets).

    data           the series: an array, or a list, of which axis 0 is time
    targets        what belongs to each of its points; as long as `data`
    length         points that a window reaches back; it ends in front of its target
    sampling_rate  distance of the points that a window takes
    stride         distance of one window's target to the next one's
    start_index    points before are not used
    end_index      points behind are not used; default: the last one
    shuffle        windows are drawn at random, with repetition, by NumPy's global generator
    reverse        windows run back in time
    batch_size     windows of a batch

    Samples are float64 of shape (batch, ceil(length / sampling_rate), *shape of a point), targets float64 of shape
    (batch, *shape of a target). Raises ArgumentError.
    """

    def __init__(self, data: Any, targets: Any, length: int, sampling_rate: int = 1, stride: int = 1,
                 start_index: int = 0, end_index: int | None = None, shuffle: bool = False, reverse: bool = False,
                 batch_size: int = 128):
        if len(data) != len(targets):
            raise ArgumentError("Data and targets have to be of same length", where="TimeseriesGenerator",
                                got=f"Data length is {len(data)} while target length is {len(targets)}")
        for name, value in (("sampling_rate", sampling_rate), ("stride", stride), ("batch_size", batch_size)):
            if value < 1:
                raise ArgumentError(f"`{name}` is too small", where="TimeseriesGenerator", expected="1 or more",
                                    got=value)
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride, self.batch_size = sampling_rate, stride, batch_size
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse = shuffle, reverse
        if self.end_index >= len(data):
            raise ArgumentError("`end_index` is behind the data", where="TimeseriesGenerator",
                                expected=f"less than {len(data)}", got=end_index)
        if self.start_index > self.end_index:
            raise ArgumentError(f"`start_index+length={self.start_index} > end_index={self.end_index}` is disallowed, "
                                "as no part of the sequence would be left to be used as current step",
                                where="TimeseriesGenerator")

    def __len__(self) -> int:
        per_batch = self.batch_size * self.stride
        return (self.end_index - self.start_index + per_batch) // per_batch

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexRangeError("no such batch", where="TimeseriesGenerator", expected=f"0 <= index < {len(self)}",
                                  got=index)
        rows = self._rows(index)
        samples = np.array([self._taken(self.data, range(row - self.length, row, self.sampling_rate))
                            for row in rows], dtype=np.float64)
        targets = np.array([self.targets[row] for row in rows], dtype=np.float64)
        return (samples[:, ::-1] if self.reverse else samples), targets

    def _rows(self, index: int) -> list[int]:
        if self.shuffle:
            return np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size).tolist()
        per_batch = self.batch_size * self.stride
        start = self.start_index + per_batch * index
        return list(range(start, min(start + per_batch, self.end_index + 1), self.stride))

    @staticmethod
    def _taken(data: Any, places: range) -> Any:
        return data[places.start:places.stop:places.step] if places.start >= 0 else [data[place] for place in places]

    def get_config(self) -> dict[str, Any]:
        """The arguments; data and targets as JSON texts, `start_index` with `length` added.

        Raises ArgumentError for data that JSON cannot hold.
        """
        config: dict[str, Any] = {name: _as_json(getattr(self, name), name) for name in ("data", "targets")}
        return config | {name: getattr(self, name) for name in (
            "length", "sampling_rate", "stride", "start_index", "end_index", "shuffle", "reverse", "batch_size")}

    def to_json(self, **kwargs: Any) -> str:
        """The class and `get_config()` as JSON; keywords go to json.dumps."""
        return described(self, **kwargs)


def _as_json(values: Any, name: str) -> str:
    try:
        return json.dumps(values.tolist() if isinstance(values, (np.ndarray, np.generic)) else values)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{name} not JSON Serializable", where="TimeseriesGenerator",
                            got=type(values).__name__) from error


def timeseries_generator_from_json(json_string: str) -> TimeseriesGenerator:
    """The TimeseriesGenerator that `to_json` described. Raises ModelFormatError."""
    config = config_of(json_string, TimeseriesGenerator)
    for name in ("data", "targets"):
        config[name] = np.asarray(parsed(config.get(name), f"TimeseriesGenerator, {name}"))
    config["start_index"] = config.get("start_index", 0) - config.get("length", 0)
    return TimeseriesGenerator(**config)
