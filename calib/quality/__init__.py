"""Accuracy and speed of a model of lower precision beside the float one."""
