/** The style sheet of every page, served at `/assets/style.css`. */
export const STYLE = `:root{color-scheme:light dark;--ink:#1c2733;--paper:#fbfaf7;--line:#cfd5da;--accent:#0b5c6b;--bad:#9b1c1c;--code:#eef1f2}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ed;--paper:#12181d;--line:#36424c;--accent:#6cc5d6;--bad:#ff9a8f;--code:#1d262d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:60rem;padding:1.5rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{margin:0;font-size:2rem}h2{margin:2rem 0 .5rem;border-bottom:1px solid var(--line);font-size:1.25rem}h3{margin:1rem 0 .25rem;font-size:1rem}
header p{margin:.25rem 0 0}
a{color:var(--accent)}
pre{overflow-x:auto;margin:0 0 .5rem;padding:.75rem 1rem;background:var(--code);border-radius:.4rem;font:14px/1.5 ui-monospace,monospace}
table{border-collapse:collapse;width:100%}th,td{padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;font-weight:400}
thead th{font-weight:600}
.warning{padding:.75rem 1rem;border-left:.3rem solid var(--bad);background:var(--code)}
.state.open,.state.slow{color:var(--bad);font-weight:600}
footer{margin-top:2rem;color:inherit;font-size:.875rem}
`;
