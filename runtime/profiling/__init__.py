"""Profiling of a model's run time on this machine; ``layoutrt profile`` and ``layoutrt estimate``."""
