"""Names that scripts written for Keras 2.1 and earlier import from keras.engine.topology.

What does not live here: what they name.
"""

from graphc.frontend_keras.engine.base_layer import InputSpec, Layer, Node
from graphc.frontend_keras.engine.input_layer import Input, InputLayer
from graphc.frontend_keras.engine.network import Network
from graphc.frontend_keras.engine.saving import (
    load_weights_from_hdf5_group,
    load_weights_from_hdf5_group_by_name,
    save_weights_to_hdf5_group,
)
from graphc.frontend_keras.engine.shapes import snake_case as _to_snake_case
from graphc.frontend_keras.utils.layer_utils import get_source_inputs

Container = Network

__all__ = ["Container", "Input", "InputLayer", "InputSpec", "Layer", "Network", "Node", "_to_snake_case",
           "get_source_inputs", "load_weights_from_hdf5_group", "load_weights_from_hdf5_group_by_name",
           "save_weights_to_hdf5_group"]
