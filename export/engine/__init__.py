"""TensorRT engines: networks, builder configuration, timing cache and manifest."""
