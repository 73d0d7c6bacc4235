"""The applications have the layers, weights and numbers of Keras_Applications 1.0.6."""

import hashlib
from math import prod

import numpy as np
import pytest

from graphc.frontend_keras import applications
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.applications import densenet, nasnet

# Number of layers, trainable and other parameters, and the SHA-256 (first 16 digits) of the layers' names in the
# model's order, joined by newlines. Printed by Keras_Applications 1.0.6 itself, run on tf_keras 2.21, whose automatic
# names (conv2d, conv2d_1) were counted from 1 as Keras 2.2.4 counts. The sums are those of Keras's documentation.
FACTS = {
    "VGG16": (23, 138_357_544, 0, "663ef2fee65480c7"),
    "VGG19": (26, 143_667_240, 0, "5e0820717d26f12a"),
    "ResNet50": (177, 25_583_592, 53_120, "43fce24b9a14e9be"),
    "InceptionV3": (313, 23_817_352, 34_432, "aa6139e6005064aa"),
    "InceptionResNetV2": (782, 55_813_192, 60_544, "aca6b76317386eb0"),
    "Xception": (134, 22_855_952, 54_528, "0cd89dc3b4a24322"),
    "MobileNet": (93, 4_231_976, 21_888, "c3be5cbaca873cd3"),
    "MobileNetV2": (157, 3_504_872, 34_112, "c30fc6774b25994c"),
    "DenseNet121": (429, 7_978_856, 83_648, "255360f509d2a246"),
    "DenseNet169": (597, 14_149_480, 158_400, "6835e177f86ac42f"),
    "DenseNet201": (709, 20_013_928, 229_056, "8c0bbfccfc20abff"),
    "NASNetMobile": (771, 5_289_978, 36_738, "e16f805dc5ec5035"),
    "NASNetLarge": (1041, 88_753_150, 196_668, "0a4cd9bc384bfbc0"),
}


def parameters(weights):
    return sum(prod(weight.shape) for weight in weights)


LARGEST = ("DenseNet169", "DenseNet201", "InceptionResNetV2", "NASNetLarge")


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in LARGEST else ())
                                  for name in FACTS])
def test_layers_and_parameters(name):
    layers, trainable, others, digest = FACTS[name]
    model = getattr(applications, name)(weights=None)
    assert len(model.layers) == layers
    assert (parameters(model.trainable_weights), parameters(model.non_trainable_weights)) == (trainable, others)
    names = "\n".join(layer.name for layer in model.layers)
    assert hashlib.sha256(names.encode()).hexdigest()[:16] == digest
    assert model.output_shape == (None, 1000)


# Channels of the last feature map, as the papers give them, and how much smaller than the image it is.
@pytest.mark.parametrize(("name", "size", "features", "rows"), [
    ("VGG16", 64, 512, 2), ("VGG19", 70, 512, 2), ("ResNet50", 64, 2048, 2), ("InceptionV3", 75, 2048, 1),
    ("Xception", 71, 2048, 3), ("MobileNet", 33, 1024, 1), ("MobileNetV2", 64, 1280, 2), ("DenseNet121", 64, 1024, 2)])
def test_feature_maps(name, size, features, rows):
    build = getattr(applications, name)
    shape = (size, size, 3)
    assert build(weights=None, include_top=False, input_shape=shape).output_shape == (None, rows, rows, features)


@pytest.mark.parametrize(("pooling", "last"), [("avg", "avg_pool"), ("max", "max_pool")])
def test_pooling(pooling, last):
    model = densenet.DenseNet([1, 1, 1, 1], weights=None, include_top=False, pooling=pooling)
    assert model.layers[-1].name == last
    assert model.output_shape[0] is None and len(model.output_shape) == 2
    assert model.name == "densenet"


def waves(model):
    """Weights that a formula gives, so that another Keras can be given the same."""
    for layer in model.layers:
        values = []
        for i, value in enumerate(layer.get_weights()):
            wave = np.sin(1.0 + np.arange(value.size) * (0.7 + 0.1 * i)).reshape(value.shape)
            if value.ndim > 1:
                values.append(wave * np.sqrt(4.0 / prod(value.shape[:-1])))
            else:
                values.append(1.0 + 0.3 * wave if i in (0, 3) else 0.2 * wave)
        if values:
            layer.set_weights([value.astype("float32") for value in values])
    return model


IMAGES = np.cos(np.arange(2 * 32 * 32 * 3) ** 2 * 0.37).reshape(2, 32, 32, 3).astype("float32")

# What Keras_Applications 1.0.6 on tf_keras 2.21 predicts with these weights for IMAGES, to 6 digits.
DENSENET = [[0.266623, 0.27166, 0.247787, 0.21393], [0.267896, 0.272182, 0.247229, 0.212693]]
NASNET = [[0.414111, 0.322012, 0.174659, 0.089218], [0.285173, 0.23733, 0.225051, 0.252446]]


def small_densenet(**options):
    return densenet.DenseNet([1, 2, 1, 1], weights=None, classes=4, **options)


def test_densenet_predicts_as_keras():
    model = waves(small_densenet(input_shape=(32, 32, 3)))
    np.testing.assert_allclose(model.predict(IMAGES), DENSENET, atol=2e-6)


def test_nasnet_predicts_as_keras():
    model = nasnet.NASNet((32, 32, 3), penultimate_filters=96, num_blocks=1, stem_block_filters=4, classes=4)
    np.testing.assert_allclose(waves(model).predict(IMAGES), NASNET, atol=2e-6)


def test_both_layouts_predict_alike():
    K.set_image_data_format("channels_first")
    model = waves(small_densenet(input_shape=(3, 32, 32)))
    np.testing.assert_allclose(model.predict(IMAGES.transpose(0, 3, 1, 2)), DENSENET, atol=2e-6)


@pytest.mark.parametrize("name", ["Xception", "MobileNet", "MobileNetV2"])
def test_channels_last_only(name):
    K.set_image_data_format("channels_first")
    with pytest.warns(UserWarning, match="channels last"):
        model = getattr(applications, name)(weights=None, include_top=False, input_shape=(96, 96, 3))
    assert K.image_data_format() == "channels_first"
    assert model.output_shape == (None, 3, 3, {"Xception": 2048, "MobileNet": 1024, "MobileNetV2": 1280}[name])


def test_widths():
    narrow = applications.MobileNet(weights=None, alpha=0.25, classes=10, input_shape=(128, 128, 3))
    assert narrow.name == "mobilenet_0.25_128"
    assert narrow.get_layer("conv_preds").kernel.shape == (1, 1, 256, 10)
    wide = applications.MobileNetV2(weights=None, alpha=1.4, include_top=False, input_shape=(96, 96, 3))
    assert wide.name == "mobilenetv2_1.40_96"
    assert wide.output_shape == (None, 3, 3, 1792)  # 1280 * 1.4


def test_lambda_of_inception_resnet_is_found_by_its_name():
    from graphc.frontend_keras.layers import Input, Lambda

    inputs = [Input((2,)), Input((2,))]
    config = Lambda(applications.inception_resnet_v2.inception_resnet_sum, arguments={"scale": 0.5}).get_config()
    total = Lambda.from_config(config)(inputs)
    [found] = K.function(inputs, [total])([np.ones((1, 2)), np.full((1, 2), 4)])
    assert found.tolist() == [[3, 3]]
    keras_file = {"name": "block8_10", "function": ["4wEAAAA=", None, None], "function_type": "lambda"}
    assert Lambda.from_config(keras_file, applications.inception_resnet_v2.CUSTOM_OBJECTS).name == "block8_10"
