"""Calibration tables and quantized placements."""
