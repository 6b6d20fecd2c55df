"""The style of charts within a page, after that of every page: series and their parts."""

from __future__ import annotations

from layoutrt.report.canvas import series_style

CHART_STYLE = (
    series_style()
    + """svg .name { fill: var(--ink); font-weight: 600; font-size: 13px; }
svg .value { fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .bar { fill: var(--own); fill-opacity: 0.55; }
svg .solid { fill-opacity: 0.9; }
svg .mark { stroke: var(--own); stroke-width: 1.5; }
svg .curve { fill: none; stroke: var(--own); stroke-width: 2; stroke-linejoin: round; }
svg .dot { fill: var(--own); stroke: var(--card); stroke-width: 2; }
svg .run { fill: var(--own); fill-opacity: 0.6; }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 3px; background: var(--own); }
.key { margin-right: 8px; }
"""
)
