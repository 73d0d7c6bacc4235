"""Programs that measure one system each, in a process and, if need be, an environment of their own.

A worker prints one JSON line when it is ready, then for every line `MODEL SECONDS` on its input one JSON line
of figures in microseconds.
"""
