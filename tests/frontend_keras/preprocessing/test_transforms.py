"""One image changed. Recorded numbers are those of keras-preprocessing 1.0.5 with SciPy 1.17 and Pillow 13."""

import sys

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras.preprocessing import image
from graphc.frontend_keras.utils.extras import MissingLibraryError

IMAGE = np.arange(16, dtype="float32").reshape(4, 4, 1)
CLOSE = {"rtol": 1e-6, "atol": 1e-6}  # of values up to 25, computed in float64 and stored as float32


def plane(x, channel=0):
    return x[..., channel].tolist()


class TestAffine:
    def test_nothing(self):
        assert image.apply_affine_transform(IMAGE) is IMAGE

    def test_shifts(self):
        found = image.apply_affine_transform(IMAGE, tx=1, ty=-2, fill_mode="constant", cval=-1)
        expected = np.full((4, 4), -1.0)
        expected[:3, 2:] = IMAGE[1:, :2, 0]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[..., 0], expected, **CLOSE)

    def test_a_quarter_turn(self):
        found = image.apply_affine_transform(np.pad(IMAGE, ((0, 1), (0, 1), (0, 0))), theta=90, fill_mode="constant")
        # the middle that Keras turns about is half a pixel beyond that of the image: row r, column c come from 5 - c, r
        padded = np.pad(IMAGE[..., 0], (0, 3))
        expected = [[padded[6 - c, r] if c else 0 for c in range(5)] for r in range(5)]
        np.testing.assert_allclose(found[..., 0], expected, **CLOSE)

    def test_zoom(self):
        x = np.zeros((8, 8, 1), "float32")
        x[4, 4] = 1
        middle = 4 + 0.5
        found = image.apply_affine_transform(x, zx=0.5, zy=0.5)
        # place p comes from middle + (p - middle) / 2; a hat of width 1 around 4 on each axis
        hat = np.maximum(0, 1 - np.abs(middle + (np.arange(8) - middle) / 2 - 4))
        np.testing.assert_allclose(found[..., 0], np.outer(hat, hat), **CLOSE)

    def test_recorded(self):
        found = image.apply_affine_transform(IMAGE, theta=30, tx=0.5, ty=-1, shear=10, zx=0.8, zy=1.25,
                                             fill_mode="constant", cval=-1.0)
        np.testing.assert_allclose(plane(found), [
            [-1.0, -1.0, 8.81601333618164, 6.559630870819092], [-1.0, -1.0, 11.987295150756836, 9.730912208557129],
            [-1.0, -1.0, -1.0, 12.902193069458008], [-1.0, -1.0, -1.0, -1.0]], **CLOSE)
        found = image.apply_affine_transform(IMAGE, theta=30, fill_mode="reflect")
        np.testing.assert_allclose(plane(found), [
            [6.339745998382568, 4.339745998382568, 3.156733274459839, 2.022758722305298],
            [9.803847312927246, 8.254809379577637, 7.120834827423096, 5.986860275268555],
            [12.084936141967773, 12.218911170959473, 11.084936141967773, 9.95096206665039],
            [11.852885246276855, 13.45096206665039, 14.316987037658691, 13.732050895690918]], **CLOSE)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_channels_elsewhere(self, axis):
        x = np.random.default_rng(0).normal(size=(5, 6, 3)).astype("float32")
        axes = {0: (1, 2, 0), 1: (0, 2, 1)}[axis]
        found = image.apply_affine_transform(np.moveaxis(x, 2, axis), theta=20, zx=0.7, row_axis=axes[0],
                                             col_axis=axes[1], channel_axis=axes[2])
        expected = image.apply_affine_transform(x, theta=20, zx=0.7)
        np.testing.assert_array_equal(np.moveaxis(found, axis, 2), expected)

    def test_about_the_middle(self):
        matrix = image.transform_matrix_offset_center(np.diag([2.0, 3.0, 1.0]), 4, 6)
        np.testing.assert_allclose(matrix @ [2.5, 3.5, 1], [2.5, 3.5, 1])
        np.testing.assert_allclose(matrix[:2, :2], [[2, 0], [0, 3]])


class TestRandom:
    """Random values are those of NumPy's generator, in Keras's order; its middle is that of axes 0 and 1."""

    def test_recorded(self):
        np.random.seed(1)
        found = image.random_rotation(np.arange(24, dtype="float32").reshape(2, 3, 4), 40)
        np.testing.assert_allclose(found[0], [
            [0.1868084967136383, 1.180104374885559, 2.213625192642212, 3.5026254653930664],
            [3.159815788269043, 4.615511894226074, 6.071208477020264, 7.475808620452881],
            [7.061790943145752, 8.473094940185547, 9.928791999816895, 10.935495376586914]], **CLOSE)

    @pytest.mark.parametrize(("name", "arguments", "drawn"), [
        ("random_rotation", (30,), lambda r: {"theta": r.uniform(-30, 30)}),
        ("random_shift", (0.2, 0.5), lambda r: {"tx": r.uniform(-0.5, 0.5) * 6, "ty": r.uniform(-0.2, 0.2) * 7}),
        ("random_shear", (12.0,), lambda r: {"shear": r.uniform(-12, 12)}),
        ("random_zoom", ((0.5, 2.0),), lambda r: dict(zip(("zx", "zy"), r.uniform(0.5, 2, 2)))),
        ("random_zoom", ((1, 1),), lambda r: {}),
    ])
    def test_same_as_told(self, name, arguments, drawn):
        x = np.random.default_rng(0).normal(size=(6, 7, 2))
        np.random.seed(5)
        found = getattr(image, name)(x, *arguments, row_axis=0, col_axis=1, channel_axis=2, fill_mode="wrap")
        told = image.apply_affine_transform(x, **drawn(np.random.RandomState(5)), fill_mode="wrap")
        np.testing.assert_array_equal(found, told)

    def test_bad_ranges(self):
        with pytest.raises(ArgumentError, match="zoom_range"):
            image.random_zoom(IMAGE, (1, 2, 3))
        with pytest.raises(ArgumentError, match="brightness_range"):
            image.random_brightness(IMAGE, 0.5)


class TestColours:
    def test_channel_shift(self):
        x = np.array([[[0.0, 100.0, 200.0]]], "float32")
        assert image.apply_channel_shift(x, 50, 2).tolist() == [[[50, 150, 200]]]
        np.random.seed(2)
        found = image.random_channel_shift(x, 30.0, 2)
        np.testing.assert_allclose(found, np.clip(x + np.random.RandomState(2).uniform(-30, 30), 0, 200), rtol=1e-6)

    def test_brightness(self):
        found = image.apply_brightness_shift(IMAGE, 0.5)
        np.testing.assert_array_equal(found, np.floor(np.floor(IMAGE / 15 * 255) * 0.5))

    def test_recorded_brightness(self):
        np.random.seed(1)
        assert plane(image.random_brightness(IMAGE, (0.2, 0.9))) == [
            [0, 8, 16, 25], [33, 41, 50, 58], [66, 75, 83, 91], [100, 108, 117, 125]]

    def test_flip(self):
        x = np.arange(6).reshape(1, 2, 3)
        assert image.flip_axis(x, 2).tolist() == [[[2, 1, 0], [5, 4, 3]]]
        assert image.flip_axis(x.tolist(), 1).tolist() == [[[3, 4, 5], [0, 1, 2]]]


@pytest.mark.parametrize(("missing", "call"), [
    ("scipy.ndimage", lambda: image.random_rotation(IMAGE, 5)),
    ("PIL.ImageEnhance", lambda: image.apply_brightness_shift(IMAGE, 2)),
    ("PIL.Image", lambda: image.array_to_img(IMAGE)),
    ("PIL.Image", lambda: image.load_img("x.png")),
])
def test_a_missing_library_names_the_extra(monkeypatch, missing, call):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingLibraryError, match=r'pip install "graphc-compiler\[image\]"') as caught:
        call()
    assert isinstance(caught.value, ImportError)
