"""Equalization of channels: weights and activations scaled so that one 8-bit range fits all channels."""
