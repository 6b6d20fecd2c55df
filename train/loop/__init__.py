"""The training loop: steps, logs, checkpoints and interruptions."""
