"""The engine of Keras 2.2.4: layers, networks, models, training. The public names of keras.engine.

What does not live here: particular layers (layers/).
"""

from graphc.frontend_keras.engine import saving, topology, training_utils
from graphc.frontend_keras.engine.base_layer import InputSpec, Layer, Node
from graphc.frontend_keras.engine.input_layer import Input, InputLayer
from graphc.frontend_keras.engine.network import Network
from graphc.frontend_keras.engine.sequential import Sequential
from graphc.frontend_keras.engine.training import Model
from graphc.frontend_keras.utils.layer_utils import get_source_inputs

__all__ = ["Input", "InputLayer", "InputSpec", "Layer", "Model", "Network", "Node", "Sequential",
           "get_source_inputs", "saving", "topology", "training_utils"]
