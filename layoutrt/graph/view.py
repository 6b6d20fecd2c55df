"""A graph with who makes and who reads each tensor."""

from __future__ import annotations

from collections import defaultdict

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from layoutrt.graph.element_types import element_types


class GraphView:
    """Look-ups in a graph that does not change.

    Attributes:
        nodes: nodes in their order.
        constants: initializers by name.
        makers: the node that makes a tensor; inputs and constants have none.
        readers: the nodes that read a tensor.
        types: element type, of ``onnx.TensorProto``, of every tensor.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.makers = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.readers[name].append(node)
        self.types = element_types(model)

    def array(self, name: str) -> NDArray:
        """Value of a constant."""
        return numpy_helper.to_array(self.constants[name])

    def made_by(self, name: str, operator: str) -> onnx.NodeProto | None:
        """The node that makes a tensor, if it is of that operator."""
        maker = self.makers.get(name)
        return maker if maker is not None and maker.op_type == operator else None
