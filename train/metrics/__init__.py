"""How good synthesized images are: by what a segmenter sees in them, and by the statistics of features."""
