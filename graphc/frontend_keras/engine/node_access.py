"""Asking a layer for its inputs, outputs, masks and shapes, by node.

What does not live here: making nodes (base_layer.py).
"""

from __future__ import annotations

from typing import Any, NoReturn

from graphc.errors import ArgumentError, GraphcError
from graphc.frontend_keras.engine.node import Node
from graphc.frontend_keras.utils.generic_utils import unpack_singleton


class NodeError(GraphcError, AttributeError, AssertionError):
    """A layer was asked for its only input or output, but does not have exactly one.

    Keras 1.2 and later raise AttributeError here, Keras 1.0 raised AssertionError: this is both.
    """


class NeverCalledError(GraphcError, RuntimeError):
    """A layer was asked for a node before it was called."""


class NodeAccess:
    """What layers say about their calls."""

    name: str
    _inbound_nodes: list[Node]

    def _at(self, node_index: int, attribute: str, wanted: str) -> Any:
        nodes = self._inbound_nodes
        if not nodes:
            raise NeverCalledError(f"The layer has never been called and thus has no defined {wanted}",
                                   where=self.name, fix="Call the layer on a tensor first.")
        if not -len(nodes) <= node_index < len(nodes):
            raise ArgumentError(f"Asked to get {wanted} at node {node_index}, but the layer has only {len(nodes)} "
                                "inbound nodes", where=self.name)
        return unpack_singleton(getattr(nodes[node_index], attribute))

    def get_input_at(self, node_index: int) -> Any:
        """The input tensor (or list of them) of call number `node_index`, counted from 0."""
        return self._at(node_index, "input_tensors", "input")

    def get_output_at(self, node_index: int) -> Any:
        """The output tensor (or list of them) of call number `node_index`."""
        return self._at(node_index, "output_tensors", "output")

    def get_input_shape_at(self, node_index: int) -> Any:
        """The shape of the input of call number `node_index`, with None for unknown sizes."""
        return self._at(node_index, "input_shapes", "input shape")

    def get_output_shape_at(self, node_index: int) -> Any:
        """The shape of the output of call number `node_index`."""
        return self._at(node_index, "output_shapes", "output shape")

    def get_input_mask_at(self, node_index: int) -> Any:
        """The mask that came with the input of call number `node_index`, or None."""
        return self._at(node_index, "input_masks", "input mask")

    def get_output_mask_at(self, node_index: int) -> Any:
        """The mask that goes with the output of call number `node_index`, or None."""
        return self._at(node_index, "output_masks", "output mask")

    def _only(self, attribute: str, wanted: str, getter: str) -> Any:
        if len(self._inbound_nodes) > 1:
            raise NodeError(f"Layer {self.name} has multiple inbound nodes, hence the notion of \"layer {wanted}\" "
                            f"is ill-defined. Use `{getter}(node_index)` instead.")
        if not self._inbound_nodes:
            reason = ("is not connected, no input to return" if wanted.startswith("input")
                      else "has no inbound nodes")
            raise NodeError(f"Layer {self.name} {reason}", fix="Call the layer on a tensor first.")
        return unpack_singleton(getattr(self._inbound_nodes[0], attribute))

    @property
    def input(self) -> Any:
        """The input of the only call. Raises NodeError (an AttributeError) unless there is exactly one."""
        return self._only("input_tensors", "input", "get_input_at")

    @property
    def output(self) -> Any:
        """The output of the only call. Raises NodeError (an AttributeError) unless there is exactly one."""
        return self._only("output_tensors", "output", "get_output_at")

    @property
    def input_mask(self) -> Any:
        return self._only("input_masks", "input mask", "get_input_mask_at")

    @property
    def output_mask(self) -> Any:
        return self._only("output_masks", "output mask", "get_output_mask_at")

    def _agreed(self, attribute: str, wanted: str, getter: str) -> Any:
        if not self._inbound_nodes:
            raise NodeError(f"The layer {self.name} has never been called and thus has no defined {wanted} shape")
        first = getattr(self._inbound_nodes[0], attribute)
        if any(getattr(node, attribute) != first for node in self._inbound_nodes[1:]):
            raise NodeError(f"The layer \"{self.name}\" has multiple inbound nodes, with different {wanted} shapes. "
                            f"Hence the notion of \"{wanted} shape\" is ill-defined for the layer. "
                            f"Use `{getter}(node_index)` instead.")
        return unpack_singleton(first)

    @property
    def input_shape(self) -> Any:
        """The shape that the inputs of all calls have. Raises NodeError where they differ."""
        return self._agreed("input_shapes", "input", "get_input_shape_at")

    @property
    def output_shape(self) -> Any:
        """The shape that the outputs of all calls have. Raises NodeError where they differ."""
        return self._agreed("output_shapes", "output", "get_output_shape_at")

    @property
    def get_output(self) -> NoReturn:
        raise NodeError("`get_output()` was Keras 0's name", where=self.name,
                        fix="Use `layer.output` or `layer.get_output_at(node_index)`.")

    @property
    def get_input(self) -> NoReturn:
        raise NodeError("`get_input()` was Keras 0's name", where=self.name,
                        fix="Use `layer.input` or `layer.get_input_at(node_index)`.")
