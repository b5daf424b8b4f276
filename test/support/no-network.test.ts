import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fakeUpstream } from './fake-upstream.ts';

const PRELOAD = fileURLToPath(new URL('./no-network.ts', import.meta.url));
const TRIAL = `
import { request } from 'undici';
import { connect } from 'node:net';
import { lookup } from 'node:dns/promises';
const code = (error) => error.code ?? error.cause?.code;
const answers = [];
for (const url of process.argv.slice(1)) {
  answers.push(await request(url).then((r) => r.body.dump().then(() => r.statusCode), code));
  answers.push(await fetch(url).then((r) => r.status, code));
}
answers.push(await new Promise((resolve) => connect(80, '192.0.2.1').on('error', (error) => resolve(code(error)))));
const named = (address) => new Promise((resolve) => {
  const port = Number(new URL(process.argv[1]).port);
  const socket = connect({ host: 'a.example.test', port, lookup: (_name, _options, done) => done(null, [{ address, family: 4 }]) });
  socket.on('error', (error) => resolve(code(error))).on('connect', () => resolve(socket.destroy() && 'connected'));
});
answers.push(await named('127.0.0.1'), await named('192.0.2.1'));
answers.push(await lookup('index.example.test').catch(code));
console.log(JSON.stringify(answers));
`;

test('only loopback can be reached', async (t) => {
  const up = await fakeUpstream(t);
  const urls = [up.url, up.url.replace('127.0.0.1', 'localhost'), 'http://index.example.test/', 'https://192.0.2.1/'];
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    PRELOAD,
    '--input-type=module',
    '--eval',
    TRIAL,
    ...urls,
  ]);
  const none = ['ENOTFOUND', 'ENOTFOUND', 'ENETUNREACH', 'ENETUNREACH', 'ENETUNREACH'];
  assert.deepEqual(JSON.parse(stdout), [200, 200, 200, 200, ...none, 'connected', 'ENOTFOUND', 'ENOTFOUND']);
});
