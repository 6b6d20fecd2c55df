"""Backends that run a model: the native library and the Python bindings of TensorRT."""
