"""Speed of layoutrt beside what one would use instead; ``python -m benchmarks``."""
