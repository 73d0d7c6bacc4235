"""Graph-to-graph passes and what turns a graph into kernels; pipeline.py tells the order."""
