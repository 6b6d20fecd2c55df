"""Losses of generators and discriminators."""
