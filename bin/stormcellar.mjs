#!/usr/bin/env node
// Plain JavaScript for whatever Node there is: the version is checked before anything is imported that an old one would die
// of without a word (the SQLite binding does).
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { endIfMissing } from './missing-packages.mjs';
import { startAnew } from './start-anew.mjs';

const root = new URL('../', import.meta.url);
const { engines, version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const needed = engines.node.replace(/^>=/, '').split('.').map(Number);
const present = process.versions.node.split('.').map(Number);
const at = [0, 1, 2].find((index) => present[index] !== needed[index]);

const isTooOld = at !== undefined && present[at] < needed[at];
const launcher = new URL('scripts/with-node.mjs', root);

if (isTooOld && existsSync(launcher)) {
  // In a checkout the program goes on as `npm start` does; an installed package fetches nothing.
  process.argv.splice(1, 1, fileURLToPath(launcher), fileURLToPath(import.meta.url));
  await import(launcher.href);
} else if (isTooOld) {
  process.stderr.write(`stormcellar needs Node ${engines.node}, and this is Node ${process.versions.node}.\n`);
  process.exitCode = 1;
} else {
  if (process.argv[2] === 'serve') startAnew(fileURLToPath(import.meta.url));
  // A checkout that was not built runs its sources; tests always do, so that they never meet an old build.
  const isBuilt = existsSync(new URL('dist/program', root)) && process.env.STORMCELLAR_TEST_SOURCES !== '1';
  try {
    const { main } = isBuilt
      ? createRequire(import.meta.url)('./load-built.cjs').loadBuilt('cli')
      : await import(new URL('cli/main.ts', root).href);
    await main(process.argv, version);
  } catch (error) {
    endIfMissing(error);
  }
}
