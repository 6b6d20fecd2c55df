"""Calibration tables and quantized models."""
