"""Several processes, precision and memory of training."""
