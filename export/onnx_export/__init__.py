"""From a checkpoint to ONNX files."""
