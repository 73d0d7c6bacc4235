"""What must not wear off: determinism, threads, forks, memory, special numbers and sizes. Each has a long version too."""

from pathlib import Path

ROOT = Path(__file__).parents[2]  # where processes of their own find this package
