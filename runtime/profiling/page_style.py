"""The style of a profile's charts, after that of every page."""

STYLE = """
:root {
  --s0: #2f5fd0; --s1: #c2560c; --s2: #0b7f66; --s3: #a23b96; --s4: #6f6a00; --s5: #5f6b7d;
}
@media (prefers-color-scheme: dark) {
  :root { --s0: #86a8ff; --s1: #ffa766; --s2: #5fd4b1; --s3: #ef8fe0; --s4: #d9cd57; --s5: #aab4c4; }
}
.s0 { --own: var(--s0); } .s1 { --own: var(--s1); } .s2 { --own: var(--s2); }
.s3 { --own: var(--s3); } .s4 { --own: var(--s4); } .s5 { --own: var(--s5); }
h2 + .soft { margin-top: -6px; max-width: 90ch; }
tbody th { white-space: nowrap; }
h3 { margin: 0 0 10px; font-size: 16px; }
.card + .card, .columns + .card, .card + .columns { margin-top: 12px; }
.columns { align-items: stretch; }
.columns > .card { margin-top: 0; min-width: 0; }
.columns svg { min-width: 0; }
svg .name { fill: var(--ink); font-weight: 600; font-size: 13px; }
svg .value { fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .bar { fill: var(--own); fill-opacity: 0.55; }
svg .solid { fill-opacity: 0.9; }
svg .mark { stroke: var(--own); stroke-width: 1.5; }
svg .curve { fill: none; stroke: var(--own); stroke-width: 2; stroke-linejoin: round; }
svg .dot { fill: var(--own); stroke: var(--card); stroke-width: 2; }
svg .run { fill: var(--own); fill-opacity: 0.6; }
svg .layer { fill: var(--own); fill-opacity: 0.45; stroke: var(--own); }
svg .roof { stroke: var(--ink); stroke-width: 1.5; }
svg .roof-label { fill: var(--ink); paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
svg .block { fill: var(--accent); fill-opacity: 0.28; }
svg .roofed { fill: var(--accent); }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 3px; background: var(--own); }
.key { margin-right: 8px; }
.meter { display: inline-block; height: 8px; border-radius: 4px; background: var(--own); }
.meter { min-width: 3px; vertical-align: middle; }
.track { display: inline-block; width: 150px; text-align: left; }
.warning { border-left: 4px solid var(--bad); }
.bound { display: inline-block; padding: 0 9px; border-radius: 99px; font-size: 13px; }
.bound { background: var(--idle-back); }
"""
