"""A generator's graph with the image as it is before its conversion to bytes."""

from __future__ import annotations

import onnx
import onnx.inliner

from layoutrt.errors import LayoutRTError
from layoutrt.operators import DOMAIN
from layoutrt.operators.conv_to_image import CONV_TO_IMAGE


def with_float_image(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model up to the image in floating point.

    Args:
        model: model of a generator, with the bodies of its operators; not changed.

    Returns:
        A model of the same inputs whose only output, ``image``, is float32 ``[N, 3, H, W]`` in [-1, 1].

    Raises:
        LayoutRTError: the graph has no such image.
    """
    parts = onnx.inliner.inline_selected_functions(model, [(DOMAIN, CONV_TO_IMAGE.name)])
    graph = parts.graph
    last = [place for place, node in enumerate(graph.node) if node.op_type == "Tanh"]
    if len(last) != 1:
        raise LayoutRTError(
            f"the graph has {len(last)} Tanh nodes where a generator has one; give a model that "
            "layoutrt export made, with the bodies of its operators"
        )
    batch, height, width, channels = graph.output[0].type.tensor_type.shape.dim
    name = graph.output[0].name
    # What follows only makes bytes of it.
    del graph.node[last[0] + 1 :]
    graph.node[-1].output[0] = name
    made = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    made.type.tensor_type.shape.dim.extend([batch, channels, height, width])
    del graph.output[:]
    graph.output.append(made)
    kept = [value for value in graph.value_info if value.name != name]
    del graph.value_info[:]
    graph.value_info.extend(kept)
    return parts
