"""ONNX graphs: reading, shapes, costs and surgery."""
