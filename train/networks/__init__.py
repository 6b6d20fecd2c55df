"""The networks of CC-FPSE, wired and named as published (arXiv 1910.06809), one component per module."""
