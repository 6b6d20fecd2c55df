"""The studio: a page, served on this machine, to paint layouts and watch the images, and to see the demo."""
