"""The name that mobilenet_v2 had in Keras 2.2.0.

What does not live here: MobileNetV2 (mobilenet_v2.py).
"""

from graphc.frontend_keras.applications.mobilenet_v2 import MobileNetV2, decode_predictions, preprocess_input

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]
