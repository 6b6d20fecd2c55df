"""Models whose intermediate tensors are outputs, for measuring them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnx import TensorProto, helper
from onnx.external_data_helper import set_external_data

from layoutrt.files import temporary_folder
from layoutrt.operators import DOMAIN
from layoutrt.operators.gated_predicted_conv import GATED_PREDICTED_CONV
from layoutrt.operators.predicted_conv import PREDICTED_CONV
from layoutrt.runtime.session import Session

_SMALL_TENSOR_BYTES = 1024


def applied_kernels(node: onnx.NodeProto) -> str:
    """Name of the input of a `GatedPredictedConv` node's mixing convolution, a tensor inside of the node."""
    return f"{node.output[0]}_applied_kernels"


def applied_kernels_nodes(model: onnx.ModelProto, tensors: Iterable[str]) -> list[onnx.NodeProto]:
    """Nodes that compute those of the tensors that are `applied_kernels` of a node."""
    wanted = set(tensors)
    return [
        helper.make_node(PREDICTED_CONV.name, node.input[:6], [applied_kernels(node)], domain=DOMAIN)
        for node in model.graph.node
        if node.op_type == GATED_PREDICTED_CONV.name and applied_kernels(node) in wanted
    ]


def last_first(tensors: Sequence[str]) -> Sequence[str]:
    """The order to add nodes in that reduce tensors, for the least memory.

    ONNX Runtime follows a graph back from its last node, so what was added first is computed last. Reduced
    from the front of the graph on, every tensor is freed as soon as the next layer has read it; the other
    way round, the paper's generator held 2.7 GB of them instead of 1.1.
    """
    return tensors[::-1]


@contextmanager
def intermediate_session(
    model: onnx.ModelProto,
    nodes: Iterable[onnx.NodeProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Iterable[TensorProto] = (),
    *,
    threads: int | None = None,
) -> Iterator[Session]:
    """A session of the model with further nodes, and with other outputs.

    The weights are written to a file that the runtime maps and never copied in memory: the paper's
    generator has 0.6 GB of them.

    Args:
        model: with its weights in it; not changed.
        nodes: added after the model's own.
        outputs: all that is computed.
        constants: constants that the nodes read.
        threads: number of threads of one run; None for one per processor.
    """
    with temporary_folder() as folder:
        path = Path(folder) / "intermediate.onnx"
        extended = without_weights(model)
        del extended.graph.output[:]
        extended.graph.node.extend(nodes)
        extended.graph.output.extend(outputs)
        extended.graph.initializer.extend(constants)
        weights = path.with_suffix(".data")
        with weights.open("wb") as data:
            for tensor in model.graph.initializer:
                extended.graph.initializer.append(_reference(tensor, data.tell(), weights.name))
                if len(tensor.raw_data) >= _SMALL_TENSOR_BYTES:
                    data.write(tensor.raw_data)
        onnx.save(extended, path)
        with Session(path, threads=threads) as session:
            yield session


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of all but the weights, and of the types of tensors, which runtimes infer.

    Protobuf frees what a message held only with the message, so large models are rebuilt, not changed.
    """
    graph = onnx.GraphProto(name=model.graph.name)
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    copy = onnx.ModelProto(
        ir_version=model.ir_version,
        producer_name=model.producer_name,
        producer_version=model.producer_version,
        graph=graph,
    )
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    copy.metadata_props.extend(model.metadata_props)
    return copy


def _reference(tensor: TensorProto, offset: int, location: str) -> TensorProto:
    """The tensor, its bytes in a file if they are many."""
    if len(tensor.raw_data) < _SMALL_TENSOR_BYTES:
        return tensor
    reference = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    # The helper refers only tensors that hold bytes.
    reference.raw_data = b"\0"
    set_external_data(reference, location, offset=offset, length=len(tensor.raw_data))
    reference.ClearField("raw_data")
    return reference
