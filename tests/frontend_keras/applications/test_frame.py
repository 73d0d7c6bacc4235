"""What the applications check and where they look for files."""

import hashlib
import json

import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError, ShapeError
from graphc.frontend_keras import applications, layers
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.applications import densenet, mobilenet, nasnet, pretrained, vgg16
from graphc.frontend_keras.applications.input_shapes import obtain_input_shape


def small(**options):
    return densenet.DenseNet([1, 1, 1, 1], **{"weights": None, "include_top": False, "input_shape": (32, 32, 3),
                                              **options})


def assert_equal_weights(model, other):
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


class TestShapes:
    @pytest.mark.parametrize(("shape", "layout", "flatten", "expected"), [
        (None, "channels_last", True, (64, 64, 3)), (None, "channels_first", True, (3, 64, 64)),
        (None, "channels_last", False, (None, None, 3)), (None, "channels_first", False, (3, None, None)),
        ((40, 50, 1), "channels_last", True, (40, 50, 1)), ((1, 40, 50), "channels_first", True, (1, 40, 50)),
        ([40, None, 3], "channels_last", False, (40, None, 3))])
    def test_accepted(self, shape, layout, flatten, expected):
        assert obtain_input_shape(shape, 64, 32, layout, flatten) == expected

    @pytest.mark.parametrize(("shape", "layout", "flatten", "weights", "message"), [
        ((31, 40, 3), "channels_last", False, None, "at least 32x32"),
        ((3, 40, 31), "channels_first", False, None, "at least 32x32"),
        ((40, 40), "channels_last", False, None, "three integers"),
        ((None, 40, 3), "channels_last", True, None, "static"),
        ((40, 40, 1), "channels_last", False, "imagenet", "3 channels"),
        ((40, 40, 3), "channels_last", True, "imagenet", r"should be \(64, 64, 3\)")])
    def test_refused(self, shape, layout, flatten, weights, message):
        with pytest.raises(ShapeError, match=message):
            obtain_input_shape(shape, 64, 32, layout, flatten, weights)

    def test_other_channels_are_told(self):
        with pytest.warns(UserWarning, match="1 or 3 input channels.* 4 input channels"):
            obtain_input_shape((40, 40, 4), 64, 32, "channels_last", False)

    @pytest.mark.parametrize(("name", "size"), [("ResNet50", 32), ("InceptionV3", 75), ("InceptionResNetV2", 75),
                                                ("Xception", 71), ("NASNetMobile", 32), ("VGG19", 32)])
    def test_smallest_image(self, name, size):
        with pytest.raises(ValueError, match=f"at least {size}x{size}"):
            getattr(applications, name)(weights=None, include_top=False, input_shape=(size - 1, 200, 3))

    def test_nasnet_needs_sizes(self):
        with pytest.raises(ShapeError, match=r"Pass input_shape=\(224, 224, 3\)"):
            nasnet.NASNetMobile(weights=None, include_top=False)

    def test_nasnet_filters(self):
        with pytest.raises(ArgumentError, match="divisible by 24"):
            nasnet.NASNet(penultimate_filters=100)


class TestInputTensor:
    def test_of_a_layer(self):
        image = layers.Input((40, 40, 3))
        model = small(input_tensor=layers.Lambda(lambda x: x * 2)(image))
        assert model.inputs == [image]
        assert model.layers[1].name == "lambda_1"

    def test_of_no_layer(self):
        model = small(input_tensor=K.variable(np.zeros((2, 32, 32, 3))))
        assert model._feed_inputs == []
        assert model.output_shape[0] == 2

    def test_mobilenet_v2_takes_its_size(self):
        image = layers.Input((96, 96, 3))
        assert applications.MobileNetV2(weights=None, input_tensor=image, alpha=0.35).name == "mobilenetv2_0.35_96"
        with pytest.raises(ShapeError, match="same shape requirements"):
            applications.MobileNetV2(weights=None, input_tensor=image, input_shape=(128, 128, 3))


class TestArguments:
    def test_weights(self):
        with pytest.raises(ArgumentError, match="None.*imagenet.*path"):
            vgg16.VGG16(weights="no_such_file.h5")

    def test_classes(self):
        with pytest.raises(ArgumentError, match="should be 1000"):
            vgg16.VGG16(classes=10)

    def test_pooling(self):
        with pytest.raises(ArgumentError, match="'avg' or 'max'"):
            small(pooling="mean")

    def test_unpublished_architecture(self):
        with pytest.raises(ArgumentError, match="no published weights"):
            small(weights="imagenet")

    @pytest.mark.parametrize(("options", "message"), [
        ({"depth_multiplier": 2}, "depth multiplier must be 1"), ({"alpha": 0.6}, "0.25, 0.5, 0.75, 1.0 only"),
        ({"input_shape": (64, 64, 3), "include_top": False}, "static square shape")])
    def test_mobilenet_of_imagenet(self, options, message):
        with pytest.raises(ValueError, match=message):
            mobilenet.MobileNet(**options)


class TestFiles:
    def test_missing_file_says_what_to_get(self, tmp_path):
        with pytest.raises(FileNotFoundError) as caught:
            mobilenet.MobileNet(alpha=0.25, input_shape=(128, 128, 3))
        assert "mobilenet_2_5_128_tf.h5" in str(caught.value)
        assert "releases/download/v0.6/mobilenet_2_5_128_tf.h5" in str(caught.value)
        assert str(tmp_path / "home" / "models") in str(caught.value)

    def test_missing_file_without_top(self):
        with pytest.raises(pretrained.MissingFileError, match=r"kernels_0.35_96_no_top.h5"):
            applications.MobileNetV2(alpha=0.35, include_top=False, input_shape=(96, 96, 3))

    def test_local_file_is_loaded(self, tmp_path):
        options = {"alpha": 0.25, "input_shape": (128, 128, 3), "include_top": False}
        trained = mobilenet.MobileNet(weights=None, **options)
        models = tmp_path / "home" / "models"
        models.mkdir(parents=True)
        trained.save_weights(str(models / "mobilenet_2_5_128_tf_no_top.h5"))
        assert_equal_weights(mobilenet.MobileNet(**options), trained)

    def test_file_of_ones_own_is_loaded(self, tmp_path):
        trained = small()
        trained.save_weights(str(tmp_path / "own.h5"))
        for weights in (tmp_path / "own.h5", str(tmp_path / "own.h5")):
            assert_equal_weights(small(weights=weights), trained)

    def test_another_file_is_refused(self, tmp_path):
        file = pretrained.PublishedFile("a.h5", "https://example.org/a.h5", hashlib.md5(b"right").hexdigest())
        path = tmp_path / "home" / "models" / "a.h5"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"right")
        assert file.local_path() == path
        path.write_bytes(b"cut")
        with pytest.raises(ModelFormatError, match="not the published one"):
            file.local_path()

    def test_names(self):
        names = [file.name for files in (vgg16.FILES, nasnet.FILES[224]) for file in (files.top, files.no_top)]
        assert names == ["vgg16_weights_tf_dim_ordering_tf_kernels.h5",
                         "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "nasnet_mobile.h5",
                         "nasnet_mobile_no_top.h5"]
        assert nasnet.FILES[331].no_top.url.endswith("v1.2/NASNet-large-no-top.h5")


def test_decoding(tmp_path, monkeypatch):
    from graphc.frontend_keras.applications import imagenet_utils

    monkeypatch.setattr(imagenet_utils, "CLASS_INDEX", pretrained.PublishedFile("classes.json", "https://x"))
    preds = np.zeros((2, 1000), "float32")
    preds[0, [7, 300, 999]] = 0.2, 0.5, 0.3
    preds[1, 4] = 1
    with pytest.raises(FileNotFoundError, match="classes.json"):
        imagenet_utils.decode_predictions(preds)
    path = tmp_path / "home" / "models" / "classes.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({str(i): [f"n{i:08}", f"class {i}"] for i in range(1000)}))
    first, second = imagenet_utils.decode_predictions(preds, top=3)
    assert first == [("n00000300", "class 300", np.float32(0.5)), ("n00000999", "class 999", np.float32(0.3)),
                     ("n00000007", "class 7", np.float32(0.2))]
    assert second[0] == ("n00000004", "class 4", 1.0)
    with pytest.raises(ShapeError, match=r"\(samples, 1000\)"):
        imagenet_utils.decode_predictions(preds[:, :10])
    path.write_text("[]")
    imagenet_utils._class_names.cache_clear()
    with pytest.raises(ModelFormatError, match="table of classes"):
        imagenet_utils.decode_predictions(preds)
    imagenet_utils._class_names.cache_clear()
