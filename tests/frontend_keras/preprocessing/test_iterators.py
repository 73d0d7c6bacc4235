"""Batches of images: order, labels, threads. Recorded numbers are those of keras-preprocessing 1.0.5."""

import threading
from types import MappingProxyType

import numpy as np
import pytest
from PIL import Image

from graphc.errors import ArgumentError, CheckpointError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense, Flatten
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.preprocessing.image import (
    DirectoryIterator,
    ImageDataGenerator,
    Iterator,
    NumpyArrayIterator,
    img_to_array,
    load_img,
)
from graphc.frontend_keras.utils import OrderedEnqueuer, Sequence

X = np.arange(10, dtype="float32").reshape(10, 1, 1, 1) * np.ones((1, 2, 2, 1), "float32")
Y = np.arange(10)


def labels(batches):
    return [batch[1].tolist() for batch in batches]


class TestOrder:
    def test_recorded(self):
        np.random.seed(0)
        batches = ImageDataGenerator().flow(X, Y, batch_size=4)
        assert labels(next(batches) for _ in range(6)) == [
            [2, 8, 4, 9], [1, 6, 7, 3], [0, 5], [8, 1, 5, 6], [3, 4, 2, 7], [0, 9]]

    def test_recorded_with_a_seed(self):
        batches = ImageDataGenerator().flow(X, Y, batch_size=4, seed=5)
        assert labels(next(batches) for _ in range(6)) == [
            [9, 5, 2, 4], [7, 1, 0, 8], [6, 3], [8, 6, 9, 0], [2, 5, 7, 1], [4, 3]]

    def test_recorded_by_index(self):
        batches = ImageDataGenerator().flow(X, Y, batch_size=4, seed=5)
        assert labels(batches[i] for i in range(3)) == [[9, 5, 2, 4], [7, 1, 0, 8], [6, 3]]
        batches.on_epoch_end()
        assert labels(batches[i] for i in range(3)) == [[6, 3, 4, 8], [5, 2, 1, 0], [7, 9]]

    def test_recorded_images(self):
        np.random.seed(11)
        generator = ImageDataGenerator(rotation_range=90, zoom_range=0.5, horizontal_flip=True, fill_mode="wrap")
        found = next(generator.flow(np.arange(24.0).reshape(2, 3, 4, 1), batch_size=2, shuffle=False))
        np.testing.assert_allclose(found[..., 0], [
            [[7.7266154289245605, 3.4947617053985596, 4.262907981872559, 8.03105354309082],
             [8.403124809265137, 4.171271324157715, 7.939417362213135, 0.7075634598731995],
             [9.079634666442871, 4.847780704498291, 8.615926742553711, 4.384073257446289]],
            [[15.53126335144043, 16.698352813720703, 17.865442276000977, 16.032533645629883],
             [17.55677032470703, 18.723859786987305, 19.890949249267578, 18.05803871154785],
             [19.582275390625, 20.749364852905273, 21.916454315185547, 15.083544731140137]]], rtol=1e-6)

    def test_no_shuffling(self):
        batches = ImageDataGenerator().flow(X, Y, batch_size=4, shuffle=False)
        assert len(batches) == 3
        assert labels([next(batches), batches[2], next(batches), next(batches), next(batches)]) == [
            [0, 1, 2, 3], [8, 9], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3]]

    def test_reset(self):
        batches = ImageDataGenerator().flow(X, Y, batch_size=4, shuffle=False)
        next(batches)
        batches.reset()
        assert next(batches)[1].tolist() == [0, 1, 2, 3]

    def test_images_and_masks_of_one_seed(self):
        generators = [ImageDataGenerator(rotation_range=90, horizontal_flip=True) for _ in range(2)]
        x = np.random.default_rng(0).normal(size=(5, 6, 6, 1))
        pairs = zip(*(generator.flow(x, batch_size=2, seed=1) for generator in generators))
        for _ in range(7):
            np.testing.assert_array_equal(*next(pairs))

    def test_a_users_function_draws_in_between(self):
        def noisy(x):
            return x + np.random.random()

        np.random.seed(3)
        found = next(ImageDataGenerator(preprocessing_function=noisy).flow(X, batch_size=2, shuffle=False))
        drawn = np.random.RandomState(3).random_sample(6)  # two flips and the noise of each image
        np.testing.assert_allclose(found[:, 0, 0, 0], [drawn[2], 1 + drawn[5]], rtol=1e-6)

    def test_refused(self):
        batches = ImageDataGenerator().flow(X, batch_size=4)
        for index in (3, -1):
            with pytest.raises(ArgumentError, match="has length 3"):
                batches[index]
        with pytest.raises(ArgumentError, match="no samples"):
            next(ImageDataGenerator().flow(X[:0]))
        with pytest.raises(ArgumentError, match="batch_size"):
            ImageDataGenerator().flow(X, batch_size=0)

    def test_state(self):
        batches = ImageDataGenerator(rotation_range=9).flow(X, Y, batch_size=4, seed=2)
        for _ in range(4):
            next(batches)
        again = ImageDataGenerator(rotation_range=9).flow(X, Y, batch_size=4, seed=2)
        again.set_state(batches.get_state())
        for _ in range(5):
            for one, other in zip(next(batches), next(again)):
                np.testing.assert_array_equal(one, other)
        with pytest.raises(CheckpointError, match="order"):
            again.set_state({"order": np.zeros(10, int), "batch": 0, "seen": 0})


class TestThreads:
    def test_the_same_batches_in_threads(self):
        """With a seed, the n-th batch that is asked for has the n-th random numbers, whoever asks."""
        def of_batches(count, get):
            batches = ImageDataGenerator(rotation_range=80, zoom_range=0.3).flow(
                np.ones((1, 6, 1, 1)) * np.arange(6).reshape(6, 1), batch_size=1, seed=1, shuffle=False)
            return sorted(map(bytes, get(batches, count)))

        def by_threads(batches, count):
            found = []
            def work():
                for _ in range(count // 4):
                    found.append(batches[0])
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return found

        assert of_batches(40, by_threads) == of_batches(40, lambda batches, count: [batches[0] for _ in range(count)])

    def test_in_an_enqueuer(self):
        batches = ImageDataGenerator().flow(X, Y, batch_size=3)
        enqueuer = OrderedEnqueuer(batches)
        enqueuer.start(workers=3)
        stream = enqueuer.get()
        for _ in range(3):
            assert sorted(np.concatenate([next(stream)[1] for _ in range(4)])) == list(range(10))
        enqueuer.stop()

    def test_training(self, monkeypatch):
        monkeypatch.setattr(K.config._settings, "target", "reference")  # nothing is compiled
        model = Sequential([Flatten(input_shape=(2, 2, 1)), Dense(1)])
        model.compile("sgd", "mse")
        batches = ImageDataGenerator(rescale=0.1).flow(X, Y / 10, batch_size=4, seed=0)
        history = model.fit_generator(batches, epochs=3, workers=2, verbose=0)
        assert history.history["loss"][-1] < history.history["loss"][0]
        assert model.predict_generator(ImageDataGenerator().flow(X, batch_size=3)).shape == (10, 1)


class Squares(Iterator):
    """What a user's own iterator for Keras 2.2.4 looks like."""

    def __init__(self):
        super().__init__(5, 2, False, None)

    def _get_batches_of_transformed_samples(self, index_array):
        return index_array**2

    def next(self):
        with self.lock:
            index_array = next(self.index_generator)
        return self._get_batches_of_transformed_samples(index_array)


def test_a_users_iterator():
    squares = Squares()
    assert isinstance(squares, Sequence)
    assert [next(squares).tolist() for _ in range(4)] == [[0, 1], [4, 9], [16], [0, 1]]
    assert squares[1].tolist() == [4, 9]


def test_a_users_batches():
    class Doubled(NumpyArrayIterator):
        def _get_batches_of_transformed_samples(self, index_array):
            return 2 * super()._get_batches_of_transformed_samples(index_array)

    batches = Doubled(X, None, ImageDataGenerator(), batch_size=2)
    assert batches[1][:, 0, 0, 0].tolist() == next(iter([batches[1]]))[:, 0, 0, 0].tolist() == [4, 6]


class TestArrays:
    def test_what_a_batch_holds(self):
        generator = ImageDataGenerator()
        assert isinstance(next(generator.flow(X)), np.ndarray)
        x, y, weights = next(generator.flow(X, Y, sample_weight=Y / 2, batch_size=3, shuffle=False))
        assert (x.dtype, y.tolist(), weights.tolist()) == (np.float32, [0, 1, 2], [0, 0.5, 1])
        (x, *along), y = next(generator.flow((X, [Y, np.ones((10, 2))]), Y, batch_size=3, shuffle=False))
        assert [x.shape, *(one.shape for one in along)] == [(3, 2, 2, 1), (3,), (3, 2)]

    def test_the_images_stay(self):
        x = X.copy()
        next(ImageDataGenerator(rescale=9, channel_shift_range=4.0).flow(x))
        np.testing.assert_array_equal(x, X)

    @pytest.mark.parametrize("dtype", ["float64", "uint8"])
    def test_dtype(self, dtype):
        found = next(ImageDataGenerator(dtype=dtype, rescale=2).flow(X, batch_size=3, shuffle=False))
        assert found.dtype == dtype
        assert found[:, 0, 0, 0].tolist() == [0, 2, 4]

    def test_subsets(self):
        generator = ImageDataGenerator(validation_split=0.3)
        y = Y % 2
        validation, training = (generator.flow(X, y, sample_weight=Y, subset=subset, shuffle=False, batch_size=10)
                                for subset in ("validation", "training"))
        assert next(validation)[2].tolist() == [0, 1, 2]
        assert next(training)[2].tolist() == [3, 4, 5, 6, 7, 8, 9]
        assert training.n == 7
        assert len(next(generator.flow(X, subset="training"))) == 7
        with pytest.raises(ArgumentError, match="different number of classes"):
            generator.flow(X, Y, subset="training")
        with pytest.raises(ArgumentError, match="subset name: test"):
            generator.flow(X, y, subset="test")

    def test_saving(self, tmp_path):
        batches = ImageDataGenerator().flow(X, batch_size=4, shuffle=False, save_to_dir=str(tmp_path), save_prefix="p")
        next(batches)
        names = sorted(path.name for path in tmp_path.iterdir())
        assert [name.split("_")[:2] for name in names] == [["p", str(i)] for i in range(4)]
        assert all(name.endswith(".png") for name in names)

    def test_refused(self):
        generator = ImageDataGenerator()
        with pytest.raises(ArgumentError, match="same length"):
            generator.flow(X, Y[1:])
        with pytest.raises(ArgumentError, match="`sample_weight`"):
            generator.flow(X, Y, sample_weight=[1])
        with pytest.raises(ArgumentError, match="same length"):
            generator.flow((X, [Y[1:]]), Y)
        with pytest.raises(ArgumentError, match="no pair"):
            generator.flow([X, X, X])
        with pytest.raises(ShapeError, match="rank 4"):
            generator.flow(X[0])
        with pytest.warns(UserWarning, match="5 channels"):
            generator.flow(np.zeros((2, 3, 3, 5)))


@pytest.fixture
def folder(tmp_path):
    """Class b with four images, one of them deeper; class a with two; a text and a file beside."""
    for number, name in enumerate(["b/1.png", "b/2.BMP", "b/deep/0.png", "b/3.png", "a/1.png", "a/2.ppm"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 5, 3), 10 * number, "uint8")).save(path)
    (tmp_path / "b/notes.txt").touch()
    (tmp_path / "beside.png").touch()
    return tmp_path


class TestFolders:
    NAMES = ("a/1.png", "a/2.ppm", "b/1.png", "b/2.BMP", "b/3.png", "b/deep/0.png")
    VALUES = (40, 50, 0, 10, 30, 20)

    def test_found(self, folder, capsys):
        batches = ImageDataGenerator().flow_from_directory(folder, target_size=(4, 5), shuffle=False)
        assert capsys.readouterr().out == "Found 6 images belonging to 2 classes.\n"
        assert isinstance(batches, DirectoryIterator)
        assert tuple(batches.filenames) == self.NAMES
        assert batches.class_indices == {"a": 0, "b": 1}
        assert (batches.samples, batches.num_classes, batches.classes.dtype) == (6, 2, np.int32)
        x, y = batches[0]
        assert (x.dtype, x.shape, tuple(x[:, 0, 0, 0])) == (np.float32, (6, 4, 5, 3), self.VALUES)
        assert y.tolist() == [[1, 0]] * 2 + [[0, 1]] * 4

    @pytest.mark.parametrize(("class_mode", "expected", "dtype"), [
        ("binary", [0, 0, 1, 1, 1, 1], "float32"), ("sparse", [0, 0, 1, 1, 1, 1], "int32"),
        ("categorical", [[1, 0]] * 2 + [[0, 1]] * 4, "float32")])
    def test_labels(self, folder, class_mode, expected, dtype):
        _, y = ImageDataGenerator().flow_from_directory(folder, class_mode=class_mode, shuffle=False)[0]
        assert (y.tolist(), y.dtype) == (expected, dtype)

    def test_images_as_labels(self, folder):
        x, y = ImageDataGenerator(rotation_range=50).flow_from_directory(folder, class_mode="input")[0]
        np.testing.assert_array_equal(x, y)
        assert ImageDataGenerator().flow_from_directory(folder, class_mode=None)[0].shape == (6, 256, 256, 3)

    def test_classes(self, folder):
        batches = ImageDataGenerator().flow_from_directory(folder, classes=["b"], shuffle=False)
        assert tuple(batches.filenames) == self.NAMES[2:]
        assert batches.class_indices == {"b": 0}

    def test_subsets(self, folder):
        generator = ImageDataGenerator(validation_split=0.5)
        found = [generator.flow_from_directory(folder, subset=subset).filenames for subset in ("validation", "training")]
        assert found == [["a/1.png", "b/1.png", "b/2.BMP"], ["a/2.ppm", "b/3.png", "b/deep/0.png"]]

    @pytest.mark.parametrize(("color_mode", "channels"), [("rgb", 3), ("rgba", 4), ("grayscale", 1)])
    def test_layouts(self, folder, color_mode, channels):
        x, _ = ImageDataGenerator(data_format="channels_first").flow_from_directory(
            folder, target_size=(6, 8), color_mode=color_mode, interpolation="bilinear", shuffle=False)[0]
        assert x.shape == (6, channels, 6, 8)
        img = load_img(folder / "b/3.png", color_mode=color_mode, target_size=(6, 8), interpolation="bilinear")
        np.testing.assert_array_equal(x[4], img_to_array(img, "channels_first"))

    def test_links(self, folder, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        Image.new("L", (3, 3)).save(elsewhere / "9.png")
        (folder / "a/link").symlink_to(elsewhere)
        counts = [ImageDataGenerator().flow_from_directory(folder, follow_links=follow).n for follow in (False, True)]
        assert counts == [6, 7]

    def test_tiff(self, folder):
        Image.new("L", (3, 3)).save(folder / "a/x.tiff")
        with pytest.warns(UserWarning, match="multiple bands"):
            assert ImageDataGenerator().flow_from_directory(folder).n == 7

    @pytest.mark.parametrize("keywords", [{"class_mode": "one"}, {"color_mode": "hsv"}, {"subset": "all"}])
    def test_refused(self, folder, keywords):
        with pytest.raises(ArgumentError):
            ImageDataGenerator().flow_from_directory(folder, **keywords)

    def test_no_folder(self, folder):
        with pytest.raises(FileNotFoundError):
            ImageDataGenerator().flow_from_directory(folder / "nowhere")


class Frame:
    """As much of a pandas DataFrame as is needed."""

    def __init__(self, **columns):
        self.columns, self.content = list(columns), columns

    def __getitem__(self, name):
        return np.array(self.content[name], dtype=object)


class TestTables:
    TABLE = MappingProxyType({"filename": ["3.png", "1.png", "0.png", "9.png", "1.png"], "class": ["dog", "cat", "dog", "cow", "dog"],
             "size": [3.0, 1.0, 0.5, 9.0, 7.0]})

    @pytest.mark.parametrize("table", [TABLE, Frame(**TABLE)])
    def test_found(self, folder, capsys, table):
        batches = ImageDataGenerator().flow_from_dataframe(table, folder / "b", target_size=(4, 5), shuffle=False)
        assert capsys.readouterr().out == "Found 3 images belonging to 3 classes.\n"
        assert batches.filenames == ["1.png", "3.png", "deep/0.png"]
        assert batches.class_indices == {"dog": 0, "cat": 1, "cow": 2}
        x, y = batches[0]
        assert x[:, 0, 0, 0].tolist() == [0, 30, 20]
        assert y.tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0]]

    def test_numbers(self, folder):
        flow = ImageDataGenerator().flow_from_dataframe
        _, y = flow(self.TABLE, folder / "b", y_col="size", class_mode="other", shuffle=False)[0]
        assert y.tolist() == [1.0, 3.0, 0.5]
        _, y = flow(self.TABLE, folder / "b", y_col=["size", "size"], class_mode="other", shuffle=False)[0]
        assert y.tolist() == [[1.0, 1.0], [3.0, 3.0], [0.5, 0.5]]
        with pytest.raises(TypeError, match="numeric"):
            flow(self.TABLE, folder / "b", y_col="class", class_mode="other")

    def test_without_endings(self, folder):
        table = {"f": ["1", "2", "0"], "class": ["x", "y", "x"]}
        batches = ImageDataGenerator().flow_from_dataframe(table, folder / "b", x_col="f", has_ext=False, shuffle=False,
                                                           class_mode="sparse")
        assert batches.filenames == ["1.png", "2.BMP", "deep/0.png"]
        assert batches[0][1].tolist() == [0, 1, 0]

    def test_missing_values(self, folder):
        table = {**self.TABLE, "size": [3.0, float("nan"), 0.5, 9.0, 7.0]}
        batches = ImageDataGenerator().flow_from_dataframe(table, folder / "b", class_mode=None, shuffle=False)
        assert batches.filenames == ["3.png", "deep/0.png"]

    def test_subset(self, folder):
        generator = ImageDataGenerator(validation_split=0.5)
        found = [generator.flow_from_dataframe(self.TABLE, folder / "b", subset=subset, shuffle=False).filenames
                 for subset in ("validation", "training")]
        assert found == [["1.png"], ["3.png", "deep/0.png"]]

    @pytest.mark.parametrize(("keywords", "message"), [
        ({"x_col": ["filename"]}, "must be a string"), ({"x_col": "name"}, "no column 'name'"),
        ({"has_ext": 1}, "has_ext"), ({"x_col": "class"}, "extension not found"), ({"class_mode": "one"}, "class_mode"),
        ({"class_mode": "other", "classes": ["dog"]}, "classes cannot be set"),
        ({"classes": ["dog", "cow"]}, "'cat' is not among")])
    def test_refused(self, folder, keywords, message):
        with pytest.raises(ArgumentError, match=message):
            ImageDataGenerator().flow_from_dataframe(self.TABLE, folder / "b", **keywords)
