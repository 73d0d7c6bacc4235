"""The random numbers: the cipher's published vectors, and whether the numbers behave like random ones."""

import numpy as np
import pytest

from graphc.ir.random import mix32, random_bits, random_key, random_normal, random_uniform, threefry2x32
from tests.ir.random_words import word

MANY = 1 << 18
F32 = np.dtype(np.float32)


@pytest.mark.parametrize(("key", "counter", "expected"), [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
])
def test_threefry_gives_the_published_vectors(key, counter, expected):
    """Random123, kat_vectors, threefry2x32 with 20 rounds."""
    assert threefry2x32(key, counter) == expected


def test_key_takes_seed_step_and_stream_apart():
    assert list(random_key(0x0370734413198A2E, 0, 0)) == list(threefry2x32((0x13198A2E, 0x03707344), (0, 0)))
    assert list(random_key(0, 5 | 7 << 32, 0)) == list(threefry2x32((0, 0), (5, 7)))
    assert list(random_key(0, 5, 2)) == list(threefry2x32((0, 0), (5 ^ 2 * 0x9E3779B9 % 2**32, 2)))
    assert list(random_key(-1, -1, 0)) == [0x1CB996FC, 0xBB002BE7]


def test_bits_are_the_definition_element_by_element():
    key = random_key(1, 2, 3)
    assert list(random_bits(key, (50,))) == [word(key, e) for e in range(50)]


def test_element_depends_on_its_number_alone():
    key = random_key(7, 0, 0)
    long = random_bits(key, (1000,))
    np.testing.assert_array_equal(random_bits(key, (10, 20)).ravel(), long[:200])
    assert random_bits(key, ()).shape == ()
    assert random_bits(key, ()) == long[0]
    assert random_bits(key, (0, 3)).shape == (0, 3)


def test_mix_is_a_bijection_that_flips_half_the_bits():
    x = np.arange(1 << 16, dtype=np.uint32) * np.uint32(65521)
    assert len(np.unique(mix32(x))) == len(x)
    for bit in range(32):
        flipped = np.bitwise_count(mix32(x) ^ mix32(x ^ np.uint32(1 << bit)))
        assert abs(flipped.mean() - 16) < 0.1


def drawn(seed=0, step=0, stream=0, n=MANY):
    return random_uniform(random_key(seed, step, stream), (n,), F32)


def within(statistic, expected, deviation, sigmas=4.5):
    return abs(statistic - expected) < sigmas * deviation


@pytest.mark.parametrize("key", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (123456789, 1000, 4), (-1, -1, 2)])
def test_uniform_numbers_are_uniform(key):
    x = drawn(*key).astype(np.float64)
    assert x.min() >= 0
    assert x.max() < 1
    assert within(x.mean(), 0.5, np.sqrt(1 / 12 / MANY))
    assert within(x.var(), 1 / 12, np.sqrt(1 / 180 / MANY))
    counts = np.bincount((x * 256).astype(int), minlength=256)
    chi_square = np.sum((counts - MANY / 256) ** 2) / (MANY / 256)
    assert within(chi_square, 255, np.sqrt(2 * 255))


def correlation(x, y):
    return float(np.mean((x - 0.5) * (y - 0.5)) * 12)


@pytest.mark.parametrize("lag", [1, 2, 3, 8, 64, 256, 1000, 4096, 65536])
def test_neighbours_are_uncorrelated(lag):
    x = drawn(3, 5, 1).astype(np.float64)
    assert within(correlation(x[:-lag], x[lag:]), 0, 1 / np.sqrt(MANY - lag))


@pytest.mark.parametrize(("a", "b"), [
    ((0, 0, 0), (0, 0, 1)), ((0, 0, 0), (0, 1, 0)), ((0, 0, 0), (1, 0, 0)), ((5, 9, 1), (5, 10, 1)),
    ((5, 9, 1), (5, 9, 2)), ((0, 0, 0), (1 << 32, 0, 0))])
def test_streams_are_independent(a, b):
    x, y = drawn(*a).astype(np.float64), drawn(*b).astype(np.float64)
    assert within(correlation(x, y), 0, 1 / np.sqrt(MANY))
    table, _, _ = np.histogram2d(x, y, bins=16, range=((0, 1), (0, 1)))
    chi_square = np.sum((table - MANY / 256) ** 2) / (MANY / 256)
    assert within(chi_square, 255, np.sqrt(2 * 255))


def test_pairs_of_neighbours_fill_the_square():
    x = drawn(11).reshape(-1, 2)
    table, _, _ = np.histogram2d(x[:, 0], x[:, 1], bins=16, range=((0, 1), (0, 1)))
    chi_square = np.sum((table - len(x) / 256) ** 2) / (len(x) / 256)
    assert within(chi_square, 255, np.sqrt(2 * 255))


def test_every_bit_is_set_half_the_time():
    bits = random_bits(random_key(2, 0, 0), (MANY,))
    for bit in range(32):
        assert within((bits >> np.uint32(bit) & np.uint32(1)).mean(), 0.5, 0.5 / np.sqrt(MANY))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_numbers_are_normal(dtype):
    z = random_normal(random_key(4, 0, 0), (MANY,), np.dtype(dtype)).astype(np.float64)
    assert np.isfinite(z).all()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert within((z ** power).mean(), moment, np.sqrt(variance / MANY))
    below = [np.mean(z < t) for t in (-2, -1, 0, 1, 2)]
    np.testing.assert_allclose(below, [0.0227501, 0.1586553, 0.5, 0.8413447, 0.9772499], atol=0.004)
    assert within(np.mean(z[1:] * z[:-1]), 0, 1 / np.sqrt(MANY))
