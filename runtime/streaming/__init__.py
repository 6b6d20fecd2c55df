"""Video in and out: sources, sinks, and what the demo does with frames."""
