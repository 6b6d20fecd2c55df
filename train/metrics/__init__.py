"""How good synthesised images are: by what a segmenter sees in them, and by the statistics of features."""
