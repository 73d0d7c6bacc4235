"""The image classifiers of Keras 2.2.4, layer for layer as in Keras_Applications 1.0.6.

All take `include_top`, `weights`, `input_tensor`, `input_shape`, `pooling` and `classes`, which frame.py explains.
What does not live here: any architecture; each has the module that Keras names.
"""

# ruff: noqa: I001  (a table of names)
from graphc.frontend_keras.applications import (
    densenet, imagenet_utils, inception_resnet_v2, inception_v3, mobilenet, mobilenet_v2, mobilenetv2, nasnet,
    resnet50, vgg16, vgg19, xception)
from graphc.frontend_keras.applications.densenet import DenseNet121, DenseNet169, DenseNet201
from graphc.frontend_keras.applications.inception_resnet_v2 import InceptionResNetV2
from graphc.frontend_keras.applications.inception_v3 import InceptionV3
from graphc.frontend_keras.applications.mobilenet import MobileNet
from graphc.frontend_keras.applications.mobilenet_v2 import MobileNetV2
from graphc.frontend_keras.applications.nasnet import NASNetLarge, NASNetMobile
from graphc.frontend_keras.applications.resnet50 import ResNet50
from graphc.frontend_keras.applications.vgg16 import VGG16
from graphc.frontend_keras.applications.vgg19 import VGG19
from graphc.frontend_keras.applications.xception import Xception

__all__ = ["VGG16", "VGG19", "DenseNet121", "DenseNet169", "DenseNet201", "InceptionResNetV2", "InceptionV3",
           "MobileNet", "MobileNetV2", "NASNetLarge", "NASNetMobile", "ResNet50", "Xception", "densenet",
           "imagenet_utils", "inception_resnet_v2", "inception_v3", "mobilenet", "mobilenet_v2", "mobilenetv2",
           "nasnet", "resnet50", "vgg16", "vgg19", "xception"]
