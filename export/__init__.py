"""Export: from a checkpoint to the ONNX graph that every backend runs."""
