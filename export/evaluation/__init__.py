"""Evaluation of generators on labeled photographs."""
