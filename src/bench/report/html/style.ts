/** Colours have a contrast of at least 4.5 to 1 for text, in both themes. */
export const STYLE = `
:root { --text: #1c2733; --muted: #586574; --line: #dde3ea; --back: #f6f8fa; --card: #ffffff; --ours: #0a7d5c; --theirs: #8fa1b5; --good: #0a7d5c; --bad: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6edf3; --muted: #9aa7b4; --line: #2c3642; --back: #0f151b; --card: #171f27; --ours: #35c795; --theirs: #5c6f83; --good: #35c795; --bad: #ff7b72; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
a { color: inherit; }
.headline { font-size: 1.05rem; margin: .2rem 0; }
.note { color: var(--muted); font-size: .85rem; margin: .3rem 0; overflow-wrap: anywhere; }
.unit { color: var(--muted); font-weight: 400; font-size: .85rem; }
.targets { list-style: none; margin: 0; padding: 0; display: grid; gap: .7rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.targets li { background: var(--card); border: 1px solid var(--line); border-left: 5px solid var(--muted); border-radius: 8px; padding: .6rem .8rem; display: grid; grid-template-columns: 1.5rem 1fr; align-content: start; }
.targets li > :not(.mark) { grid-column: 2; }
.targets .mark { grid-row: 1; font-weight: 700; }
.targets strong { font-size: 1.25rem; line-height: 1.3; grid-row: 1; }
.targets .bound { color: var(--muted); font-size: .8rem; }
.targets .holds { border-left-color: var(--good); } .targets .holds .mark { color: var(--good); }
.targets .misses { border-left-color: var(--bad); } .targets .misses .mark { color: var(--bad); }
.charts { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .9rem; min-width: 0; }
figure.sweep { max-width: 40rem; margin-bottom: 1rem; }
.chart svg { display: block; width: 100%; height: auto; }
.chart.narrow { display: none; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-left: .6em; }
.key.ours { background: var(--ours); } .key.theirs { background: var(--theirs); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; font-size: .85rem; width: 100%; }
th, td { padding: .4rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
tbody tr:last-child > * { border-bottom: 0; }
th[scope=row] { text-align: left; font-weight: 500; position: sticky; left: 0; background: var(--card); }
td { color: var(--muted); } td b { color: var(--text); }
dt { font-weight: 600; margin-top: .9rem; } dd { margin: 0; }
code { font-size: .85rem; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  .chart.wide { display: none; } .chart.narrow { display: block; }
  th, td { padding: .4rem .3rem; }
  thead th { white-space: normal; vertical-align: bottom; }
  .figures th[scope=row] { white-space: normal; min-width: 9rem; }
}
@media print { figure, .targets li { break-inside: avoid; } }
`;
