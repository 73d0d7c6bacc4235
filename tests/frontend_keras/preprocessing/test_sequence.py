"""Padding, skipgrams, windows over time series. Recorded numbers are those of keras-preprocessing 1.0.5."""

import json
import random

import numpy as np
import pytest

from graphc.errors import ArgumentError, IndexRangeError, ModelFormatError, ShapeError
from graphc.frontend_keras.preprocessing import sequence
from graphc.frontend_keras.preprocessing.sequence import (
    TimeseriesGenerator,
    make_sampling_table,
    pad_sequences,
    skipgrams,
    timeseries_generator_from_json,
)
from graphc.frontend_keras.utils import Sequence


class TestPadSequences:
    @pytest.mark.parametrize(("keywords", "expected"), [
        ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6], [0, 0, 0]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 0], [4, 5, 6], [0, 0, 0]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6], [0, 0]]),
        ({"maxlen": 2, "truncating": "post"}, [[0, 1], [2, 3], [4, 5], [0, 0]]),
        ({"maxlen": 4, "value": 9}, [[9, 9, 9, 1], [9, 9, 2, 3], [9, 4, 5, 6], [9, 9, 9, 9]]),
        ({"maxlen": 0}, [[], [], [], []]),
    ])
    def test_rows(self, keywords, expected):
        found = pad_sequences([[1], [2, 3], [4, 5, 6], []], **keywords)
        assert found.dtype == np.int32
        assert found.tolist() == expected

    def test_items_with_a_shape(self):
        found = pad_sequences([np.ones((1, 2)), np.full((3, 2), 2.0)], dtype="float32", maxlen=2)
        assert found.tolist() == [[[0, 0], [1, 1]], [[2, 2], [2, 2]]]

    def test_texts(self):
        found = pad_sequences([["a"], ["bcd", "e"]], dtype=object, value="")
        assert found.tolist() == [["", "a"], ["bcd", "e"]]
        with pytest.raises(ArgumentError, match="dtype=object"):
            pad_sequences([["a"]], value="")

    def test_no_sequences(self):
        assert pad_sequences([]).shape == (0, 0)

    @pytest.mark.parametrize("bad", [3, [1, 2], iter([[1]])])
    def test_no_list_of_lists(self, bad):
        with pytest.raises(ArgumentError, match="iterable"):
            pad_sequences(bad)

    def test_different_items(self):
        with pytest.raises(ShapeError, match="sequence 1"):
            pad_sequences([np.ones((2, 3)), np.ones((2, 4))])

    @pytest.mark.parametrize("keywords", [{"padding": "left"}, {"truncating": "both"}, {"maxlen": -1}])
    def test_bad_arguments(self, keywords):
        with pytest.raises(ArgumentError):
            pad_sequences([[1]], **keywords)


def test_sampling_table():
    table = make_sampling_table(1000, sampling_factor=1e-3)
    rank = np.maximum(np.arange(1000), 1)
    frequency = 1 / (rank * (np.log(rank) + 0.577) + 0.5 - 1 / (12 * rank))
    np.testing.assert_allclose(table, np.minimum(1, np.sqrt(1e-3 / frequency)), rtol=1e-12)
    assert table[0] == table[1]


class TestSkipgrams:
    def test_recorded(self):
        random.seed(4)
        assert skipgrams([1, 2, 0, 3], 9, window_size=1, seed=6) == (
            [[1, 2], [2, 5], [2, 1], [1, 2]], [0, 0, 1, 1])
        random.seed(4)
        couples, labels = skipgrams([1, 2, 0, 3], 9, window_size=2, shuffle=False, negative_samples=0.5,
                                    categorical=True)
        assert couples == [[1, 2], [2, 1], [2, 3], [3, 2], [2, 7], [1, 8]]
        assert labels == [[0, 1]] * 4 + [[1, 0]] * 2

    def test_windows(self):
        couples, labels = skipgrams([1, 2, 3, 0, 4], 5, window_size=2, negative_samples=0, shuffle=False)
        assert couples == [[1, 2], [1, 3], [2, 1], [2, 3], [3, 1], [3, 2], [3, 4], [4, 3]]
        assert labels == [1] * 8

    def test_pairs_keep_their_labels(self):
        couples, labels = skipgrams(list(range(1, 30)), 1000, window_size=1)
        neighbours = {(a, b) for a, b in couples if abs(a - b) == 1}
        assert sum(labels) == 56
        assert len(labels) == 112
        assert {tuple(couple) for couple, label in zip(couples, labels) if label} <= neighbours

    def test_sampling_table(self):
        couples, _ = skipgrams([1, 2, 3], 4, negative_samples=0, sampling_table=[1, 1, 0, 1])
        assert {word for word, _ in couples} == {1, 3}


def test_remove_long_sequences():
    assert sequence._remove_long_seq(3, [[1], [1, 2, 3], [1, 2]], ["a", "b", "c"]) == ([[1], [1, 2]], ["a", "c"])


class TestTimeseriesGenerator:
    data = np.arange(50)[:, np.newaxis] * [1.0, 10.0]
    targets = np.arange(50) * 100

    def test_batches(self):
        series = TimeseriesGenerator(self.data, self.targets, length=10, sampling_rate=2, batch_size=3)
        assert isinstance(series, Sequence)
        assert len(series) == 14
        x, y = series[1]
        assert x.dtype == y.dtype == np.float64
        assert x.tolist() == [self.data[start:start + 10:2].tolist() for start in (3, 4, 5)]
        assert y.tolist() == [1300, 1400, 1500]
        assert len(series[13][0]) == 1  # 40 windows in all

    def test_each_window_once(self):
        series = TimeseriesGenerator(self.data, self.targets, length=4, stride=3, start_index=5, end_index=29,
                                     batch_size=2)
        assert np.concatenate([y for _, y in series]).tolist() == list(range(900, 2901, 300))

    def test_reverse(self):
        forward, backward = (TimeseriesGenerator(self.data, self.targets, 5, reverse=reverse)[0][0]
                             for reverse in (False, True))
        np.testing.assert_array_equal(backward, forward[:, ::-1])

    def test_rate_that_does_not_divide_the_length(self):
        x, _ = TimeseriesGenerator(self.data, self.targets, length=5, sampling_rate=2, batch_size=1)[0]
        assert x[0].tolist() == self.data[:5:2].tolist()

    def test_lists(self):
        x, y = TimeseriesGenerator(list(range(9)), list(range(9)), length=3, batch_size=2)[1]
        assert x.tolist() == [[2, 3, 4], [3, 4, 5]]
        assert y.tolist() == [5, 6]

    def test_shuffled(self):
        series = TimeseriesGenerator(self.data, self.targets, length=10, shuffle=True, batch_size=8)
        np.random.seed(3)
        x, y = series[0]
        rows = np.random.RandomState(3).randint(10, 50, 8)
        assert y.tolist() == (100 * rows).tolist()
        assert x[:, -1].tolist() == self.data[rows - 1].tolist()

    def test_json(self):
        series = TimeseriesGenerator(self.data, self.targets, length=10, start_index=7, stride=2, reverse=True)
        text = series.to_json()
        assert json.loads(text)["config"]["start_index"] == 17  # as Keras writes it
        again = timeseries_generator_from_json(text)
        assert len(again) == len(series)
        for ours, theirs in zip(series[0], again[0]):
            np.testing.assert_array_equal(ours, theirs)

    @pytest.mark.parametrize("text", ["[]", "nonsense", '{"config": {"path": 1}}', '{"config": {"data": "["}}', None])
    def test_bad_json(self, text):
        with pytest.raises(ModelFormatError):
            timeseries_generator_from_json(text)

    def test_bad_arguments(self):
        with pytest.raises(ArgumentError, match="same length"):
            TimeseriesGenerator(self.data, self.targets[1:], 3)
        with pytest.raises(ArgumentError, match="no part of the sequence"):
            TimeseriesGenerator(self.data, self.targets, 50)
        with pytest.raises(ArgumentError, match="behind the data"):
            TimeseriesGenerator(self.data, self.targets, 5, end_index=50)
        with pytest.raises(ArgumentError, match="stride"):
            TimeseriesGenerator(self.data, self.targets, 5, stride=0)
        with pytest.raises(IndexRangeError):
            TimeseriesGenerator(self.data, self.targets, 5)[1]
        with pytest.raises(ArgumentError, match="not JSON"):
            TimeseriesGenerator([{1}] * 9, [1] * 9, 5).to_json()
