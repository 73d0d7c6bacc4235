"""The CUDA target: not built yet; `compile_graph(target="cuda")` says so."""
