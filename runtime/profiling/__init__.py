"""Where the time of a model goes, on this machine; ``layoutrt profile`` and ``layoutrt estimate``."""
