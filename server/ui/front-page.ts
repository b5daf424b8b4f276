import { Eta } from 'eta';
import type { Overview, UpstreamOverview } from '../browse/overview.ts';

/** What the front page shows. */
export interface FrontPage {
  readonly version: string;
  /** Address of the default index, as this visitor reaches it. */
  readonly indexUrl: string;
  readonly uploadUrl: string;
  readonly overview: Overview;
  readonly upstreams: readonly UpstreamOverview[];
  readonly warnings: readonly string[];
  /** Of `indexUrl`, without the port. */
  readonly host: string;
}

const TEMPLATE = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stormcellar</title>
<link rel="stylesheet" href="assets/style.css">
</head>
<body>
<header><h1>Stormcellar</h1><p>A Python package index that outlives its upstream.</p></header>
<main>
<% for (const warning of it.warnings) { %><p class="warning" role="alert"><%= warning %></p>
<% } %>
<section aria-labelledby="install"><h2 id="install">Install from here</h2>
<h3>pip</h3>
<pre><code>pip install --index-url <%= it.indexUrl %><%= it.trust ? ' --trusted-host ' + it.host : '' %> NAME</code></pre>
<h3>uv</h3>
<pre><code>export UV_DEFAULT_INDEX=<%= it.indexUrl %>
uv pip install NAME</code></pre>
<h3>Poetry</h3>
<pre><code>poetry source add --priority=primary stormcellar <%= it.indexUrl %></code></pre>
</section>
<section aria-labelledby="publish"><h2 id="publish">Publish to it</h2>
<pre><code>twine upload --repository-url <%= it.uploadUrl %> -u __token__ -p TOKEN dist/*
uv publish --publish-url <%= it.uploadUrl %> --token TOKEN</code></pre>
</section>
<section aria-labelledby="state"><h2 id="state">What is here</h2>
<table>
<thead><tr><th scope="col">Repository</th><th scope="col">Projects</th><th scope="col">Files</th><th scope="col">Size</th></tr></thead>
<tbody>
<% for (const [name, counts] of Object.entries(it.overview.repositories)) { %><tr><th scope="row"><%= name %></th><td><%= counts.projects %></td><td><%= counts.files %></td><td><%= it.size(counts.bytes) %></td></tr>
<% } %></tbody>
</table>
<p><a href="simple/">Projects</a> · <a href="bundles/">Bundles</a> · <a href="readyz">Health</a></p>
</section>
<section aria-labelledby="upstreams"><h2 id="upstreams">Upstreams</h2>
<% if (it.upstreams.length === 0) { %><p>None: this server answers from what it holds.</p>
<% } else { %><table>
<thead><tr><th scope="col">Upstream</th><th scope="col">State</th><th scope="col">Last answer</th></tr></thead>
<tbody>
<% for (const upstream of it.upstreams) { %><tr><th scope="row"><%= upstream.name %></th><td><span class="state <%= upstream.breaker %>"><%= it.state(upstream) %></span></td><td><%= upstream.lastSuccess ?? 'not yet' %></td></tr>
<% } %></tbody>
</table>
<% } %></section>
</main>
<footer><p>Stormcellar <%= it.version %></p></footer>
</body>
</html>
`;

const STATES = { closed: 'answers', slow: 'is slow', open: 'does not answer' } as const;
const eta = new Eta({ autoEscape: true, autoTrim: false });

/** The front page: plain HTML, complete without script. Everything in it is escaped. */
export function renderFrontPage(page: FrontPage): string {
  return eta.renderString(TEMPLATE, {
    ...page,
    trust: page.indexUrl.startsWith('http:') && !/^(?:localhost|127\.|\[::1\])/.test(page.host),
    size: humanSize,
    state: (upstream: UpstreamOverview) =>
      upstream.lastError === undefined || upstream.breaker === 'closed'
        ? STATES[upstream.breaker]
        : `${STATES[upstream.breaker]} (${upstream.lastError})`,
  });
}

/** Bytes for people: `12.3 MiB`. */
function humanSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power]}`;
}
