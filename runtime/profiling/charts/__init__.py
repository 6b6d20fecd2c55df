"""Charts of a profile as inline SVG, which needs no script and takes its colors from the page."""
