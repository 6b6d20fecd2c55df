"""Export of checkpoints to ONNX files."""
