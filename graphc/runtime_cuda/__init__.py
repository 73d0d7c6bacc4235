"""Compiled programs at work on an NVIDIA GPU, or on what stands in for one where there is none."""
