"""Measurements of graphc beside other systems on the same models; `python -m benchmarks --help`."""
