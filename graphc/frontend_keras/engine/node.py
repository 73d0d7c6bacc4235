"""A node: one call of a layer, with the tensors that went in and came out.

What does not live here: who makes nodes (base_layer.py), asking a layer about them (node_access.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Node:
    """One call of `outbound_layer`.

    inbound_layers   the layers that made the inputs; None for a tensor that no layer made
    node_indices     which of their nodes made them
    tensor_indices   which output of those nodes they are
    arguments        keywords of the call

    A node registers itself with all the layers it connects.
    """

    def __init__(self, outbound_layer: Any, inbound_layers: Sequence[Any], node_indices: Sequence[int],
                 tensor_indices: Sequence[int], input_tensors: Sequence[Any], output_tensors: Sequence[Any],
                 input_masks: Sequence[Any], output_masks: Sequence[Any], input_shapes: Sequence[Any],
                 output_shapes: Sequence[Any], arguments: dict[str, Any] | None = None):
        self.outbound_layer, self.inbound_layers = outbound_layer, list(inbound_layers)
        self.node_indices, self.tensor_indices = list(node_indices), list(tensor_indices)
        self.input_tensors, self.output_tensors = list(input_tensors), list(output_tensors)
        self.input_masks, self.output_masks = list(input_masks), list(output_masks)
        self.input_shapes, self.output_shapes = list(input_shapes), list(output_shapes)
        self.arguments = arguments or {}
        for layer in self.inbound_layers:
            if layer is not None:
                layer._outbound_nodes.append(self)
        outbound_layer._inbound_nodes.append(self)

    def get_config(self) -> dict[str, Any]:
        return {"outbound_layer": self.outbound_layer.name if self.outbound_layer else None,
                "inbound_layers": [layer.name if layer else None for layer in self.inbound_layers],
                "node_indices": self.node_indices, "tensor_indices": self.tensor_indices}
