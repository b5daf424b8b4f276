// npm start [-- --config FILE]: builds, then serves in this very process, so that signals reach the server directly.
await import('./build.mjs');
process.argv = [process.execPath, 'stormcellar', 'serve', ...process.argv.slice(2)];
await import('../bin/stormcellar.mjs');
