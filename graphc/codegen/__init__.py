"""What all targets' emitters share: positions in tensors, scalar expressions, the source file while it is written."""
