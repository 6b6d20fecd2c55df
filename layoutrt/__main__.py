"""``python -m layoutrt``."""

from layoutrt.cli import main

main()
