"""ONNX graphs of generators, segmenters and image encoders, pixels in and out."""
