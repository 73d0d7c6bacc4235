"""Kernels for NVIDIA GPUs: sources that Numba compiles, and an executor that checks them without a GPU."""
