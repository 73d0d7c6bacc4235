"""Networks for images, small ones of the families that are common, in Keras's form.

Any module with Keras's `layers` and `models` builds them. What does not live here: their data (models.py), the same
networks as PyTorch modules (workers/torch_images.py).
"""

from typing import Any


class Blocks:
    """What these networks are made of, on the layers of one Keras."""

    def __init__(self, layers: Any):
        self.layers = layers

    def activated(self, x: Any, filters: int, size: int) -> Any:
        """A convolution with bias and relu."""
        return self.layers.Conv2D(filters, (size, size), padding="same", activation="relu")(x)

    def normalised(self, x: Any, filters: int, size: int, stride: int = 1) -> Any:
        """A convolution without bias, then batch normalisation."""
        x = self.layers.Conv2D(filters, (size, size), strides=(stride, stride), padding="same", use_bias=False)(x)
        return self.layers.BatchNormalization()(x)

    def relu(self, x: Any) -> Any:
        return self.layers.Activation("relu")(x)

    def classes(self, x: Any) -> Any:
        """Ten probabilities of what is left when the places of an image are averaged."""
        return self.layers.Dense(10, activation="softmax")(self.layers.GlobalAveragePooling2D()(x))

    def shortcut(self, x: Any, made: Any, filters: int, stride: int, projected: bool) -> Any:
        """relu of the sum of both; x is projected where its shape is another."""
        return self.relu(self.layers.add([made, self.normalised(x, filters, 1, stride) if projected else x]))

    def bottleneck(self, x: Any, narrow: int, wide: int, stride: int = 1, projected: bool = True) -> Any:
        """1x1, 3x3, 1x1."""
        made = self.relu(self.normalised(x, narrow, 1))
        made = self.relu(self.normalised(made, narrow, 3, stride))
        return self.shortcut(x, self.normalised(made, wide, 1), wide, stride, projected)

    def basic(self, x: Any, filters: int, stride: int = 1, projected: bool = False) -> Any:
        """3x3, 3x3."""
        made = self.normalised(self.relu(self.normalised(x, filters, 3, stride)), filters, 3)
        return self.shortcut(x, made, filters, stride, projected)

    def separable(self, x: Any, filters: int, stride: int) -> Any:
        """A filter of 3x3 for each channel, then 1x1."""
        layers = self.layers
        x = layers.DepthwiseConv2D((3, 3), strides=(stride, stride), padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        return layers.ReLU(6.0)(self.normalised(x, filters, 1))

    def grown(self, x: Any, growth: int) -> Any:
        """x with `growth` more channels, made of all it has."""
        made = self.relu(self.layers.BatchNormalization()(x))
        made = self.layers.Conv2D(growth, (3, 3), padding="same", use_bias=False)(made)
        return self.layers.concatenate([x, made])

    def transition(self, x: Any, filters: int) -> Any:
        """Fewer channels, and half as many places along each axis."""
        x = self.relu(self.layers.BatchNormalization()(x))
        x = self.layers.Conv2D(filters, (1, 1), use_bias=False)(x)
        return self.layers.AveragePooling2D((2, 2))(x)


def resnet_block(keras: Any) -> Any:
    """One bottleneck block, 64-64-256, with a projection."""
    blocks = Blocks(keras.layers)
    image = keras.layers.Input(shape=(56, 56, 64))
    return keras.models.Model(image, blocks.classes(blocks.bottleneck(image, 64, 256)))


def resnet(keras: Any) -> Any:
    """A first convolution of 7x7, three basic blocks, two bottlenecks; two of the blocks halve the image."""
    blocks = Blocks(keras.layers)
    image = keras.layers.Input(shape=(64, 64, 3))
    x = blocks.relu(blocks.normalised(image, 32, 7, 2))
    x = blocks.basic(x, 32)
    x = blocks.basic(x, 64, 2, projected=True)
    x = blocks.basic(x, 64)
    x = blocks.bottleneck(x, 64, 256, 2)
    x = blocks.bottleneck(x, 64, 256, projected=False)
    return keras.models.Model(image, blocks.classes(x))


def mobilenet(keras: Any) -> Any:
    """Depthwise-separable blocks, half as wide as usual."""
    blocks = Blocks(keras.layers)
    image = keras.layers.Input(shape=(64, 64, 3))
    x = keras.layers.ReLU(6.0)(blocks.normalised(image, 16, 3, 2))
    for filters, stride in ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2)):
        x = blocks.separable(x, filters, stride)
    return keras.models.Model(image, blocks.classes(x))


def densenet(keras: Any) -> Any:
    """Three dense blocks of four layers, growth 12, transitions by half between them."""
    blocks = Blocks(keras.layers)
    image = keras.layers.Input(shape=(32, 32, 3))
    x, channels = keras.layers.Conv2D(24, (3, 3), padding="same", use_bias=False)(image), 24
    for block in range(3):
        if block:
            channels //= 2
            x = blocks.transition(x, channels)
        for _ in range(4):
            x, channels = blocks.grown(x, 12), channels + 12
    x = blocks.relu(keras.layers.BatchNormalization()(x))
    return keras.models.Model(image, blocks.classes(x))


def inception(keras: Any) -> Any:
    """Three towers: 1x1 and 3x3, 1x1 and 5x5, pooling and 1x1."""
    blocks = Blocks(keras.layers)
    image = keras.layers.Input(shape=(32, 32, 64))
    pooled = keras.layers.MaxPooling2D((3, 3), strides=(1, 1), padding="same")(image)
    towers = [blocks.activated(blocks.activated(image, 64, 1), 64, 3),
              blocks.activated(blocks.activated(image, 64, 1), 64, 5), blocks.activated(pooled, 64, 1)]
    return keras.models.Model(image, blocks.classes(keras.layers.concatenate(towers)))
