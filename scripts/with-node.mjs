// Runs a script of this repository: node scripts/with-node.mjs SCRIPT [ARGUMENT…]
// With a Node that is new enough it runs in this very process. On a machine whose Node is older it goes on with a Node 24 that
// npm itself fetches (a plain package with the binary in it: no install script, no other download); later runs find it in
// npm's cache.
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { endIfMissing } from '../bin/missing-packages.mjs';
import { areGiven, ENVIRONMENT, FLAGS } from '../bin/start-anew.mjs';
import { isNewEnough, neededNode } from './node-version.mjs';

const NOTICE_AFTER_MS = 2_000;
const [script = '', ...args] = process.argv.slice(2);

if (!existsSync(new URL('../node_modules/', import.meta.url)))
  fail('Nothing is installed here yet: run "npm ci" first.');

if (isNewEnough()) {
  process.argv = [process.execPath, resolve(script), ...args];
  await import(pathToFileURL(resolve(script)).href).catch(endIfMissing);
} else {
  const node = await fetchNode();
  // A server cannot put another process in its place at the end of the leash, so it gets its settings here.
  const isServer = (script.endsWith('start.mjs') || args[0] === 'serve') && !areGiven([], process.env);
  const path = `${dirname(node)}${delimiter}${process.env.PATH}`;
  const env = { ...(isServer ? ENVIRONMENT : {}), ...process.env, PATH: path };
  // Whoever kills this process means the program: when this end of the channel is gone, the other end goes too.
  const leash = "process.on('disconnect', () => process.kill(process.pid, 'SIGKILL')); process.channel.unref();";
  const options = [...(isServer ? FLAGS : []), `--import=data:text/javascript,${encodeURIComponent(leash)}`];
  const child = spawn(node, [...options, script, ...args], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : 1);
  });
}

/** The path of a Node 24, fetched when npm does not have it yet. Ends the process with a sentence when it cannot be had. */
async function fetchNode() {
  const name = `node-linux-${process.arch}`;
  const here = `Stormcellar needs Node ${neededNode}, and this is Node ${process.versions.node}`;
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) fail(`${here}. Install a newer one.`);
  // What npm has already is there at once, and needs no word.
  const notice = setTimeout(() => {
    process.stderr.write(`${here}; going on with a Node 24 that npm fetches (once).\n`);
  }, NOTICE_AFTER_MS);
  try {
    const command = ['--yes', `--package=${name}@24`, '-c', 'command -v node'];
    // Names of npm scripts in the environment would have npx announce them. What is in its cache is taken without asking the registry: a
    // server has to start in an outage, and npm would try for minutes.
    const env = { ...process.env, npm_config_loglevel: 'error', npm_config_prefer_offline: 'true' };
    const npx = promisify(execFile)('npx', command, { env, encoding: 'utf8' });
    npx.child.stderr.pipe(process.stderr);
    return (await npx).stdout.trim().split('\n').at(-1);
  } catch (error) {
    const why = typeof error.code === 'string' ? error.code : `npx ended with ${error.code}`;
    return fail(`${here}, and npm could not fetch ${name}@24 (${why}).`);
  } finally {
    clearTimeout(notice);
  }
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
