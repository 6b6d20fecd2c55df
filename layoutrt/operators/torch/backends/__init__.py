"""Backends of the operators in torch: the native library on CPU, Triton and the CUDA library on a GPU."""
