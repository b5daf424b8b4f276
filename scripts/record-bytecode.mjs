import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FLAGS } from '../bin/start-anew.mjs';
import { isNewEnough } from './node-version.mjs';

const ASKED = ['/livez', '/readyz', '/', '/simple/'];

/**
 * Starts the built program once, on loopback and with empty data, and puts the bytecode of what it ran beside it: a later start needs not
 * compile that. Where it cannot be, the program is whole without, and a line says so.
 */
export async function recordBytecode(root) {
  if (!isNewEnough()) return;
  const dir = mkdtempSync(join(tmpdir(), 'stormcellar-build-'));
  try {
    const config = join(dir, 'config.json');
    writeFileSync(config, JSON.stringify(settings(join(dir, 'data'))));
    const script = join(root, 'scripts', 'serve-and-keep.mjs');
    const child = spawn(process.execPath, [...FLAGS, script, 'serve', '--config', config], {
      // Nothing that the builder's environment says of a server is to count here.
      env: { PATH: process.env.PATH, HOME: dir },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    const url = await Promise.race([addressOf(child.stdout), ended.then(() => undefined)]);
    if (url !== undefined) {
      for (const path of ASKED) await (await fetch(url + path)).arrayBuffer();
      child.kill('SIGTERM');
    }
    const [code] = await ended;
    if (code !== 0) process.stderr.write('The built program did not serve; it will start slower, without bytecode.\n');
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function settings(dataDir) {
  return {
    dataDir,
    listen: { host: '127.0.0.1', port: 0 },
    repositories: { local: { kind: 'hosted' } },
    indexes: { main: { repositories: ['local'] } },
    limits: { minFreeBytes: '0B' },
  };
}

/** The address in the greeting of a server. */
async function addressOf(output) {
  let text = '';
  for await (const piece of output.iterator({ destroyOnReturn: false })) {
    text += piece;
    const url = /^Stormcellar serves (\S+?)\/simple\/$/m.exec(text)?.[1];
    if (url !== undefined) return url;
  }
  return undefined;
}
