"""Quality of synthesized images, by a segmenter's labels and by the statistics of features."""
