"""What a verification's page adds to the style of `layoutrt.html_page`."""

STYLE = """
.pill { display: inline-block; padding: 3px 12px; border-radius: 99px; font-size: 14px; font-weight: 600; }
.pass { color: var(--good); background: var(--good-back); }
.fail { color: var(--bad); background: var(--bad-back); }
.idle { color: var(--soft); background: var(--idle-back); }
.model { margin-top: 12px; padding: 12px 20px; }
.model h3 { margin: 0; font-size: 15px; overflow-wrap: anywhere; }
.model p { margin: 2px 0; font-size: 14px; color: var(--soft); }
.model code { color: var(--soft); font-size: 12px; }
.note { margin: 12px 0 0; font-size: 14px; color: var(--soft); }
article { margin-bottom: 16px; }
article header { display: flex; flex-wrap: wrap; gap: 2px 20px; align-items: baseline; margin-bottom: 12px; }
article h3 { margin: 0; font-size: 16px; overflow-wrap: anywhere; }
article header span { color: var(--soft); font-size: 14px; font-variant-numeric: tabular-nums; }
.row { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(230px, 100%), 1fr)); }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: 6px; image-rendering: pixelated; }
figcaption { font-size: 14px; padding-top: 5px; overflow-wrap: anywhere; }
svg .area { fill: var(--area); }
svg .line { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
svg .dot { fill: var(--accent); }
svg .marked { fill: var(--bad); stroke: var(--card); stroke-width: 2; }
svg .limit { stroke: var(--bad); stroke-dasharray: 5 4; }
svg .limit-label { fill: var(--bad); paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
td .pill { white-space: nowrap; }
@media print { article { break-inside: avoid; } }
"""
