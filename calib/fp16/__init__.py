"""Conversion to FP16, and the layers that stay in float32."""
