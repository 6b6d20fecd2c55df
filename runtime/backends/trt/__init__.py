"""TensorRT engines through NVIDIA's Python packages."""
