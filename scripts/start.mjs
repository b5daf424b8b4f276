// npm start [-- --config FILE]: builds, then serves in this very process, so that signals reach the server directly.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

// In a process of its own: what the compiler takes, which is more than a server does, would stay for as long as the server lives.
const build = [path('with-node.mjs'), path('build.mjs')];
const { status } = spawnSync(process.execPath, build, { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

process.argv = [process.execPath, 'stormcellar', 'serve', ...process.argv.slice(2)];
await import('../bin/stormcellar.mjs');
