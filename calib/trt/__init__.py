"""8-bit models for TensorRT: explicit quantization with Q/DQ nodes."""
