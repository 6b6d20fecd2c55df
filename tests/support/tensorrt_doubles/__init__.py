"""Stand-ins for TensorRT and PyCUDA that know what the real ones have, and accept nothing else."""
