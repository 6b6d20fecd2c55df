"""The style of a verification's page."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #171a21; --soft: #565e6c; --edge: #dfe3ea;
  --accent: #2f5fd0; --area: #2f5fd01f; --good: #14713d; --good-back: #dcf3e4; --bad: #b3261e;
  --bad-back: #fbe3e1; --idle-back: #eceef2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #101318; --card: #191d24; --ink: #e9ecf1; --soft: #a2abb9; --edge: #2c323c;
    --accent: #86a8ff; --area: #86a8ff22; --good: #79d9a0; --good-back: #143523; --bad: #ff9d94;
    --bad-back: #47201d; --idle-back: #262b34;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 1240px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; overflow-wrap: anywhere; }
small { font-weight: 400; color: var(--soft); font-size: inherit; }
h2 { font-size: 19px; margin: 44px 0 12px; }
p { margin: 4px 0 12px; }
.soft, figcaption, caption, th, dt { color: var(--soft); }
.pill { display: inline-block; padding: 3px 12px; border-radius: 99px; font-size: 14px; font-weight: 600; }
.pass { color: var(--good); background: var(--good-back); }
.fail { color: var(--bad); background: var(--bad-back); }
.idle { color: var(--soft); background: var(--idle-back); }
.tiles { display: grid; gap: 12px; margin: 26px 0; }
.tiles { grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); }
.card, .tiles div { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; }
.card { padding: 18px 20px; }
.tiles div { padding: 14px 18px; }
.tiles dt { font-size: 14px; }
.tiles dd { margin: 0; }
.tiles .number { font-size: 27px; font-weight: 650; letter-spacing: -0.02em; line-height: 1.3; }
.columns { display: grid; gap: 12px; align-items: start; }
.columns { grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)); }
.model { margin-top: 12px; padding: 12px 20px; }
.model h3 { margin: 0; font-size: 15px; overflow-wrap: anywhere; }
.model p { margin: 2px 0; font-size: 14px; color: var(--soft); }
.model code { color: var(--soft); font-size: 12px; }
.note { margin: 12px 0 0; font-size: 14px; color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 15px; }
caption { text-align: left; padding-bottom: 8px; font-size: 14px; }
th { font-weight: 500; font-size: 14px; text-align: left; vertical-align: bottom; }
tbody th { color: var(--ink); font-size: 15px; font-weight: 400; vertical-align: top; }
td, th { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--edge); }
tbody tr:last-child > * { border-bottom: 0; }
td:last-child, th:last-child { padding-right: 0; }
.right { text-align: right; }
td, td .pill { white-space: nowrap; }
td:not(.right) { white-space: normal; }
code { font: 13px/1.5 ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
article { margin-bottom: 16px; }
article header { display: flex; flex-wrap: wrap; gap: 2px 20px; align-items: baseline; margin-bottom: 12px; }
article h3 { margin: 0; font-size: 16px; overflow-wrap: anywhere; }
article header span { color: var(--soft); font-size: 14px; font-variant-numeric: tabular-nums; }
.row { display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(230px, 100%), 1fr)); }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: 6px; image-rendering: pixelated; }
figcaption { font-size: 14px; padding-top: 5px; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; min-width: 620px; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
svg .grid { stroke: var(--edge); }
svg .area { fill: var(--area); }
svg .line { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
svg .dot { fill: var(--accent); }
svg .marked { fill: var(--bad); stroke: var(--card); stroke-width: 2; }
svg .limit { stroke: var(--bad); stroke-dasharray: 5 4; }
svg .limit-label { fill: var(--bad); paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
summary { cursor: pointer; color: var(--accent); padding: 8px 0; }
footer { margin-top: 44px; font-size: 14px; color: var(--soft); max-width: 80ch; }
@media print { body { background: none; } .card, .tiles div, article { break-inside: avoid; } }
"""
