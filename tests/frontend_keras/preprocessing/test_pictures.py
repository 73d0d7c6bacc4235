"""Arrays, Pillow's pictures and files of them."""

import io

import numpy as np
import pytest
from PIL import Image

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.preprocessing import image


@pytest.fixture
def channels_first():
    before = K.image_data_format()
    K.set_image_data_format("channels_first")
    yield
    K.set_image_data_format(before)


def random_image(channels, size=(5, 7)):
    return np.random.default_rng(channels).integers(0, 256, (*size, channels)).astype("float32")


class TestConversion:
    @pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
    def test_there_and_back(self, channels, mode):
        x = random_image(channels)
        img = image.array_to_img(x, scale=False)
        assert (img.mode, img.size) == (mode, (7, 5))
        back = image.img_to_array(img)
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back, x)

    def test_channels_first(self):
        x = random_image(3)
        img = image.array_to_img(x.transpose(2, 0, 1), "channels_first", scale=False)
        np.testing.assert_array_equal(np.asarray(img), x)
        np.testing.assert_array_equal(image.img_to_array(img, "channels_first"), x.transpose(2, 0, 1))

    @pytest.mark.usefixtures("channels_first")
    def test_global_layout(self):
        x = random_image(1).transpose(2, 0, 1)
        np.testing.assert_array_equal(image.img_to_array(image.array_to_img(x, scale=False)), x)

    def test_scale(self):
        x = np.array([[-1.0, 0.0], [1.0, 3.0]])[..., np.newaxis]
        assert np.asarray(image.array_to_img(x)).tolist() == [[0, 63], [127, 255]]
        assert np.asarray(image.array_to_img(x * 0)).tolist() == [[0, 0], [0, 0]]
        assert x[0, 0] == -1  # the argument stays

    def test_dtype(self):
        assert image.img_to_array(Image.new("L", (2, 2)), dtype="uint8").dtype == np.uint8
        almost = np.full((1, 1, 1), 254.999999999)  # 255 as float32
        for dtype, pixel in ((None, 255), ("float64", 254)):
            assert np.asarray(image.array_to_img(almost, scale=False, dtype=dtype)).tolist() == [[pixel]]

    def test_refused(self):
        with pytest.raises(ShapeError, match="rank 3"):
            image.array_to_img(np.zeros((3, 3)))
        with pytest.raises(ShapeError, match="channel number: 2"):
            image.array_to_img(np.zeros((3, 3, 2)))
        with pytest.raises(ArgumentError, match="data_format"):
            image.array_to_img(np.zeros((3, 3, 3)), "last")
        with pytest.raises(ArgumentError, match="data_format"):
            image.img_to_array(Image.new("L", (2, 2)), "last")
        with pytest.raises(ShapeError, match="image shape"):
            image.img_to_array(np.zeros(3))


class TestFiles:
    def test_save_and_load(self, tmp_path):
        x = random_image(3)
        image.save_img(tmp_path / "x.png", x, scale=False)
        np.testing.assert_array_equal(image.img_to_array(image.load_img(tmp_path / "x.png")), x)

    def test_binary_files(self):
        file = io.BytesIO()
        image.save_img(file, random_image(1), scale=False, file_format="png")
        np.testing.assert_array_equal(image.img_to_array(image.load_img(file, color_mode="grayscale")),
                                      random_image(1))

    def test_jpeg_has_no_transparency(self, tmp_path):
        with pytest.warns(UserWarning, match="converting to RGB"):
            image.save_img(tmp_path / "x.jpg", random_image(4), file_format="jpg")
        assert image.load_img(tmp_path / "x.jpg").mode == "RGB"

    @pytest.mark.parametrize(("color_mode", "channels"), [("rgb", 3), ("rgba", 4), ("grayscale", 1)])
    def test_color_modes(self, tmp_path, color_mode, channels):
        image.save_img(tmp_path / "x.png", random_image(4), scale=False)
        assert image.img_to_array(image.load_img(tmp_path / "x.png", color_mode=color_mode)).shape == (5, 7, channels)

    def test_grayscale(self, tmp_path):
        image.save_img(tmp_path / "x.png", random_image(3), scale=False)
        with pytest.warns(UserWarning, match="grayscale is deprecated"):
            assert image.load_img(tmp_path / "x.png", grayscale=True).mode == "L"

    @pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"])
    def test_size(self, tmp_path, interpolation):
        x = random_image(3, (4, 6))
        image.save_img(tmp_path / "x.png", x, scale=False)
        found = image.load_img(tmp_path / "x.png", target_size=(2, 3), interpolation=interpolation)
        expected = Image.fromarray(x.astype("uint8")).resize((3, 2), Image.Resampling[interpolation.upper()])
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))

    def test_refused(self, tmp_path):
        image.save_img(tmp_path / "x.png", random_image(3))
        with pytest.raises(ArgumentError, match="color mode"):
            image.load_img(tmp_path / "x.png", color_mode="hsv")
        with pytest.raises(ArgumentError, match="interpolation"):
            image.load_img(tmp_path / "x.png", target_size=(2, 2), interpolation="cubic")
        with pytest.raises(FileNotFoundError):
            image.load_img(tmp_path / "z.png")

    @pytest.mark.parametrize("length", [0, 3, 60, 300])
    def test_broken_files(self, tmp_path, length):
        """An OSError, as in Keras, which says which of many files it is."""
        image.save_img(tmp_path / "x.png", random_image(3, (20, 20)))
        (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:length])
        with pytest.raises(OSError, match=r"x\.png: not a picture"):
            image.load_img(tmp_path / "x.png")

    def test_list_pictures(self, tmp_path):
        (tmp_path / "below").mkdir()
        for name in ("a.png", "b.txt", "below/c.JPG", "below/d-e.png"):
            (tmp_path / name).touch()
        assert sorted(image.list_pictures(str(tmp_path))) == [str(tmp_path / "a.png"), str(tmp_path / "below/c.JPG")]
        assert image.list_pictures(str(tmp_path), "txt") == [str(tmp_path / "b.txt")]
