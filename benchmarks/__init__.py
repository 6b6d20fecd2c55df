"""How fast layoutrt is beside what one would use instead; ``python -m benchmarks``."""
