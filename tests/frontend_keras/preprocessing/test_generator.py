"""ImageDataGenerator: its random parameters, its normalisation. Recorded numbers are keras-preprocessing 1.0.5's."""

import sys

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.preprocessing import image
from graphc.frontend_keras.preprocessing.image import ImageDataGenerator
from graphc.frontend_keras.utils.extras import MissingLibraryError

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (6, 5, 4, 3)).astype("float32")


class TestParameters:
    def test_recorded(self):
        generator = ImageDataGenerator(
            rotation_range=30, width_shift_range=0.25, height_shift_range=3, shear_range=10, zoom_range=(0.8, 1.5),
            channel_shift_range=20.0, horizontal_flip=True, vertical_flip=True, brightness_range=(0.5, 1.5))
        assert generator.get_random_transform((8, 12, 3), seed=7) == pytest.approx({
            "theta": -25.42150263756257, "tx": -1, "ty": -0.369544611354639, "shear": 4.469303556618824,
            "zx": 1.484592658397622, "zy": 1.1769471092873036, "flip_horizontal": False, "flip_vertical": True,
            "channel_shift_intensity": -9.262440795925153, "brightness": 0.99988250082556}, rel=1e-14)
        assert generator.get_random_transform((8, 12, 3)) == pytest.approx({
            "theta": 10.753799767256432, "tx": 0, "ty": -2.6043819185645694, "shear": -4.237088013840129,
            "zx": 1.4367154694037296, "zy": 0.9493697475059408, "flip_horizontal": True, "flip_vertical": False,
            "channel_shift_intensity": -19.00403089798608, "brightness": 1.1005489174641225}, rel=1e-14)

    def test_recorded_lists(self):
        generator = ImageDataGenerator(width_shift_range=[1, 4], height_shift_range=[0.1, 0.2])
        found = generator.get_random_transform((10, 12, 3), seed=3)
        assert (found["tx"], found["ty"]) == (-1.0, 4)

    def test_arrays_of_shifts(self):
        generator = ImageDataGenerator(width_shift_range=np.array([2, 2]))
        assert {generator.get_random_transform((9, 9, 1), seed)["ty"] for seed in range(20)} == {-2, 2}

    def test_one_pixel(self):
        """A float of 1 is a pixel either way, an int of 1 is none."""
        shifts = [ImageDataGenerator(width_shift_range=1.0).get_random_transform((9, 9, 1), s)["ty"] for s in range(9)]
        assert all(-1 <= shift < 1 for shift in shifts)
        assert len(set(shifts)) == 9
        assert ImageDataGenerator(width_shift_range=1).get_random_transform((9, 9, 1))["ty"] == 0

    def test_nothing(self):
        np.random.seed(0)
        found = ImageDataGenerator().get_random_transform((9, 9, 1))
        assert found == {"theta": 0, "tx": 0, "ty": 0, "shear": 0, "zx": 1, "zy": 1, "flip_horizontal": False,
                         "flip_vertical": False, "channel_shift_intensity": None, "brightness": None}
        drawn = np.random.RandomState(0)
        drawn.random_sample(2)  # the two flips are drawn all the same
        assert np.random.random() == drawn.random_sample()

    def test_sizes_of_channels_first(self):
        generator = ImageDataGenerator(height_shift_range=0.5, data_format="channels_first")
        found = generator.get_random_transform((3, 100, 7), seed=1)
        assert found["tx"] == np.random.RandomState(1).uniform(-0.5, 0.5) * 100


class TestApply:
    def test_order(self):
        x = IMAGES[0]
        told = {"theta": 20, "tx": 1, "ty": 0.5, "shear": 3, "zx": 0.9, "zy": 1.1, "channel_shift_intensity": 40.0,
                "flip_horizontal": True, "flip_vertical": True, "brightness": 0.7}
        found = ImageDataGenerator(fill_mode="reflect", cval=3).apply_transform(x, told)
        moved = image.apply_affine_transform(x, 20, 1, 0.5, 3, 0.9, 1.1, fill_mode="reflect")
        flipped = image.apply_channel_shift(moved, 40.0, 2)[::-1, ::-1]
        np.testing.assert_array_equal(found, image.apply_brightness_shift(flipped, 0.7))

    @pytest.mark.parametrize("told", [{"theta": 20, "zx": 0.7}, {"flip_horizontal": True}, {"flip_vertical": True},
                                      {"channel_shift_intensity": 9.0}, {"brightness": 0.5}, {}])
    def test_layouts_agree(self, told):
        x = IMAGES[1]
        last = ImageDataGenerator().apply_transform(x, told)
        first = ImageDataGenerator(data_format="channels_first").apply_transform(x.transpose(2, 0, 1), told)
        np.testing.assert_array_equal(first.transpose(1, 2, 0), last)

    def test_random_transform(self):
        generator = ImageDataGenerator(rotation_range=40, zoom_range=0.2)
        found = generator.random_transform(IMAGES[0], seed=4)
        np.testing.assert_array_equal(
            found, generator.apply_transform(IMAGES[0], generator.get_random_transform((5, 4, 3), seed=4)))


class TestStandardize:
    def test_order(self):
        generator = ImageDataGenerator(rescale=0.5, samplewise_center=True, samplewise_std_normalization=True,
                                       preprocessing_function=lambda x: x + 10)
        x = (IMAGES[0].astype("float64") + 10) * 0.5
        found = generator.standardize(IMAGES[0].copy())
        np.testing.assert_allclose(found, (x - x.mean()) / (x.std() + 1e-6), rtol=1e-4, atol=1e-5)

    def test_small_deviations(self):
        """1e-6 is added to a deviation, so that one of 1e-6 makes 0.5 of it; of the data set, too."""
        x = np.array([1e-6, -1e-6]).reshape(2, 1, 1, 1)
        of_itself = ImageDataGenerator(samplewise_center=True, samplewise_std_normalization=True)
        of_all = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True, dtype="float64")
        of_all.fit(x)
        for generator in (of_itself, of_all):
            np.testing.assert_allclose(generator.standardize(x.copy()).ravel(), [0.5, -0.5], rtol=1e-9)

    def test_in_place(self):
        x = IMAGES[0].copy()
        assert ImageDataGenerator(rescale=2).standardize(x) is x
        np.testing.assert_array_equal(x, IMAGES[0] * 2)

    def test_whole_numbers(self):
        found = ImageDataGenerator(rescale=1 / 255).standardize(np.array([[[51, 102, 255]]]))
        assert found.dtype == K.floatx()
        np.testing.assert_allclose(found, [[[0.2, 0.4, 1]]], rtol=1e-6)

    @pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
    def test_by_the_data_set(self, data_format):
        generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True,
                                       data_format=data_format)
        x = IMAGES if data_format == "channels_last" else IMAGES.transpose(0, 3, 1, 2)
        generator.fit(x)
        mean, std = IMAGES.mean((0, 1, 2), dtype="float64"), IMAGES.std((0, 1, 2), dtype="float64")
        np.testing.assert_allclose(generator.mean.ravel(), mean, rtol=1e-5)
        np.testing.assert_allclose(generator.std.ravel(), std, rtol=1e-4)
        found = generator.standardize(x.copy())
        expected = (IMAGES - mean) / (std + 1e-6)
        np.testing.assert_allclose(found if data_format == "channels_last" else found.transpose(0, 2, 3, 1), expected,
                                   rtol=1e-3, atol=1e-4)

    def test_whitening(self):
        x = RNG.normal(size=(500, 2, 2, 1)) @ np.array([[3.0]]) + RNG.normal(size=(500, 1, 1, 1))
        with pytest.warns(UserWarning, match="overrides setting of `featurewise_center`"):
            generator = ImageDataGenerator(zca_whitening=True, zca_epsilon=1e-9, dtype="float64")
        generator.fit(x)
        white = generator.standardize(x.copy()).reshape(500, 4)
        np.testing.assert_allclose(white.T @ white / 500, np.eye(4), atol=1e-7)
        np.testing.assert_allclose(generator.principal_components, generator.principal_components.T, atol=1e-12)

    def test_whitening_with_an_epsilon(self):
        x = RNG.normal(size=(50, 1, 3, 1))
        generator = ImageDataGenerator(featurewise_center=True, zca_whitening=True, zca_epsilon=0.5, dtype="float64")
        generator.fit(x)
        flat = x.reshape(50, 3) - x.mean()
        variances, axes = np.linalg.eigh(flat.T @ flat / 50)
        np.testing.assert_allclose(generator.principal_components, axes @ np.diag((variances + 0.5)**-0.5) @ axes.T,
                                   rtol=1e-10, atol=1e-12)

    def test_whitening_needs_scipy(self, monkeypatch):
        with pytest.warns(UserWarning, match="overrides"):
            generator = ImageDataGenerator(zca_whitening=True)
        monkeypatch.setitem(sys.modules, "scipy.linalg", None)
        with pytest.raises(MissingLibraryError, match=r"\[image\]"):
            generator.fit(IMAGES)

    def test_fit_on_changed_images(self):
        generator = ImageDataGenerator(featurewise_center=True, horizontal_flip=True, rotation_range=30)
        generator.fit(IMAGES, augment=True, rounds=2, seed=3)
        np.random.seed(3)
        changed = [generator.random_transform(x) for _ in range(2) for x in IMAGES]
        np.testing.assert_allclose(generator.mean.ravel(), np.mean(changed, (0, 1, 2)), rtol=1e-5)

    @pytest.mark.parametrize("switch", ["featurewise_center", "featurewise_std_normalization"])
    def test_before_fit(self, switch):
        generator = ImageDataGenerator(**{"featurewise_center": True, switch: True})
        with pytest.warns(UserWarning, match="hasn't been fit") as warned:
            x = generator.standardize(IMAGES[:1].copy())
        assert f"`{switch}`, but it hasn't been fit" in str(warned[-1].message)
        np.testing.assert_array_equal(x, IMAGES[:1])

    def test_ranks_and_channels(self):
        with pytest.raises(ShapeError, match="rank 4"):
            ImageDataGenerator().fit(IMAGES[0])
        with pytest.warns(UserWarning, match="2 channels"):
            ImageDataGenerator().fit(np.zeros((1, 3, 3, 2)))


class TestArguments:
    @pytest.mark.parametrize(("keywords", "overridden", "value"), [
        ({"featurewise_std_normalization": True}, "featurewise_center", True),
        ({"samplewise_std_normalization": True}, "samplewise_center", True),
        ({"zca_whitening": True, "featurewise_center": True, "featurewise_std_normalization": True},
         "featurewise_std_normalization", False),
    ])
    def test_one_switch_needs_another(self, keywords, overridden, value):
        with pytest.warns(UserWarning, match=f"overrides setting of `{overridden}`"):
            assert getattr(ImageDataGenerator(**keywords), overridden) is value

    @pytest.mark.parametrize("keywords", [{"zoom_range": (1, 2, 3)}, {"validation_split": 1.5}, {"validation_split": -1},
                                          {"data_format": "middle"}])
    def test_refused(self, keywords):
        with pytest.raises(ArgumentError):
            ImageDataGenerator(**keywords)

    def test_brightness_is_a_pair(self):
        with pytest.raises(ArgumentError, match="brightness_range"):
            ImageDataGenerator(brightness_range=0.5).get_random_transform((3, 3, 1))

    def test_zoom(self):
        assert ImageDataGenerator(zoom_range=0.25).zoom_range == [0.75, 1.25]
        assert ImageDataGenerator(zoom_range=[2, 3]).zoom_range == [2, 3]
