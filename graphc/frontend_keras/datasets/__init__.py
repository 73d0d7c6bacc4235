"""The data sets that Keras 2.2.4 offers, read from their usual files in the folder `datasets` of ~/.keras.

What does not live here: anything that reads; each module is named as in Keras.
"""

from graphc.frontend_keras.datasets import boston_housing, cifar10, cifar100, fashion_mnist, imdb, mnist, reuters

__all__ = ["boston_housing", "cifar10", "cifar100", "fashion_mnist", "imdb", "mnist", "reuters"]
