"""8-bit models for ONNX Runtime."""
