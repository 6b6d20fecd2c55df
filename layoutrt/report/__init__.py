"""Self-contained HTML pages, charts and tables."""
