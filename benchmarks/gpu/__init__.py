"""What `python -m benchmarks.gpu_check` does: the CUDA target on a machine with an NVIDIA GPU, stage by stage.

checks.py: results against float64 and against the CPU target. speed.py: times, bandwidths and floors. side.py: graphc
as a worker among its peers. prepare.py: compiled kernels for a machine that has no compiler.
"""
