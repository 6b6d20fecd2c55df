"""The style of a profile's page, after that of every page and of the charts."""

from __future__ import annotations

from layoutrt.report.chart_style import CHART_STYLE

STYLE = (
    CHART_STYLE
    + """
h2 + .soft { margin-top: -6px; max-width: 90ch; }
tbody th { white-space: nowrap; }
h3 { margin: 0 0 10px; font-size: 16px; }
.card + .card, .columns + .card, .card + .columns { margin-top: 12px; }
.columns { align-items: stretch; }
.columns > .card { margin-top: 0; min-width: 0; }
.columns svg { min-width: 0; }
svg .layer { fill: var(--own); fill-opacity: 0.45; stroke: var(--own); }
svg .roof { stroke: var(--ink); stroke-width: 1.5; }
svg .roof-label { fill: var(--ink); paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
svg .block { fill: var(--accent); fill-opacity: 0.28; }
svg .roofed { fill: var(--accent); }
.meter { display: inline-block; height: 8px; border-radius: 4px; background: var(--own); }
.meter { min-width: 3px; vertical-align: middle; }
.track { display: inline-block; width: 150px; text-align: left; }
.warning { border-left: 4px solid var(--bad); }
.bound { display: inline-block; padding: 0 9px; border-radius: 99px; font-size: 13px; }
.bound { background: var(--idle-back); }
"""
)
