"""Programs that measure one system each, in a process and, if need be, an environment of their own.

`python -m benchmarks.workers.NAME [FLAVOUR] turns` prints one JSON line when it is ready, then for every line
`MODEL SECONDS` on its input one JSON line of figures in microseconds. `... first MODEL` makes one training step
and prints one JSON line: when things were done, and the memory they took.
"""
