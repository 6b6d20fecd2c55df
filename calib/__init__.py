"""Calibration tables and quantised placements."""
