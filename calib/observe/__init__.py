"""Ranges and statistics of activations, measured on representative inputs."""
