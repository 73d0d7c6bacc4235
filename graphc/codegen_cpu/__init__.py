"""The CPU target: kernels as Python sources, compiled by Numba's front end and LLVM to object code."""
