"""Small networks for images, one of each family that is common, in Keras's form.

Any module with Keras's `layers` and `models` builds them. What does not live here: their data (models.py), the same
networks as PyTorch modules (workers/torch_images.py).
"""

from typing import Any


def _normed(layers: Any, x: Any, activation: str | None = "relu") -> Any:
    x = layers.BatchNormalization()(x)
    return layers.Activation(activation)(x) if activation else x


def _classified(keras: Any, image: Any, x: Any) -> Any:
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.models.Model(image, keras.layers.Dense(10, activation="softmax")(x))


def resnet_block(keras: Any) -> Any:
    """One residual block of 1x1, 3x3 and 1x1 convolutions on 56x56x64."""
    layers = keras.layers
    image = layers.Input(shape=(56, 56, 64))
    x = _normed(layers, layers.Conv2D(64, 1, use_bias=False)(image))
    x = _normed(layers, layers.Conv2D(64, 3, padding="same", use_bias=False)(x))
    x = _normed(layers, layers.Conv2D(256, 1, use_bias=False)(x), None)
    way = _normed(layers, layers.Conv2D(256, 1, use_bias=False)(image), None)
    return _classified(keras, image, layers.Activation("relu")(layers.add([x, way])))


def resnet(keras: Any) -> Any:
    """Three residual blocks of 3x3 convolutions, two of them with stride 2, on 64x64."""
    layers = keras.layers
    image = layers.Input(shape=(64, 64, 3))
    x = _normed(layers, layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False)(image))
    for filters, stride in ((32, 1), (64, 2), (128, 2)):
        way = x if stride == 1 else layers.Conv2D(filters, 1, strides=stride, use_bias=False)(x)
        x = _normed(layers, layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x))
        x = _normed(layers, layers.Conv2D(filters, 3, padding="same", use_bias=False)(x), None)
        x = layers.Activation("relu")(layers.add([x, way]))
    return _classified(keras, image, x)


def mobilenet(keras: Any) -> Any:
    """Five pairs of depthwise and 1x1 convolutions on 64x64."""
    layers = keras.layers
    image = layers.Input(shape=(64, 64, 3))
    x = _normed(layers, layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(image))
    for filters, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1)):
        x = _normed(layers, layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x))
        x = _normed(layers, layers.Conv2D(filters, 1, use_bias=False)(x))
    return _classified(keras, image, x)


def densenet(keras: Any) -> Any:
    """Two dense blocks of three 3x3 convolutions that each add 16 channels, on 32x32."""
    layers = keras.layers
    image = layers.Input(shape=(32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(image)
    for last in (False, True):
        for _ in range(3):
            more = layers.Conv2D(16, 3, padding="same", use_bias=False)(_normed(layers, x))
            x = layers.concatenate([x, more])
        if not last:
            x = layers.AveragePooling2D(2)(layers.Conv2D(32, 1, use_bias=False)(_normed(layers, x)))
    return _classified(keras, image, _normed(layers, x))


def inception(keras: Any) -> Any:
    """Three towers side by side: 1x1 and 3x3, 1x1 and 5x5, pooling and 1x1, on 32x32x64."""
    layers = keras.layers
    image = layers.Input(shape=(32, 32, 64))
    options = {"padding": "same", "activation": "relu"}
    first = layers.Conv2D(64, 3, **options)(layers.Conv2D(64, 1, **options)(image))
    second = layers.Conv2D(64, 5, **options)(layers.Conv2D(64, 1, **options)(image))
    third = layers.Conv2D(64, 1, **options)(layers.MaxPooling2D(3, strides=1, padding="same")(image))
    return _classified(keras, image, layers.concatenate([first, second, third]))
