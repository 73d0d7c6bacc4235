"""Programs at work: the native driver, the thread pool, the kernel cache, loading, bindings, executables.

What does not live here: generating code (graphc.codegen_cpu), planning memory (graphc.passes).
"""
