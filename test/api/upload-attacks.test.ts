import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { BOUNDARY, type FormPart, multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { type RawResponse, rawRequest } from '../support/raw-request.ts';
import { spoolsOf } from '../support/spools.ts';
import { basic } from '../support/test-access.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeWheel } from '../support/wheel.ts';

const WHEEL = makeWheel({ name: 'demo', version: '1.0' });
const AUTH = (app: TestApp): string => basic(app.token);

async function send(app: TestApp, body: Buffer | string, headers: Record<string, string> = {}): Promise<RawResponse> {
  const all = { authorization: AUTH(app), ...multipartHeaders(Buffer.from(body)), ...headers };
  return await rawRequest(app.url, { method: 'POST', path: '/legacy/', headers: all, body });
}

async function post(app: TestApp, parts: readonly FormPart[]): Promise<RawResponse> {
  return await send(app, multipart(parts));
}

/** Nothing was published, nothing is left of the attempt, and the server still works. */
async function assertUnharmed(app: TestApp): Promise<void> {
  // A body that breaks off is noticed by the server when its side of the connection ends.
  for (let i = 0; i < 200 && (await spoolsOf(app)).length > 0; i++)
    await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await spoolsOf(app), []);
  assert.equal((await app.get('/simple/demo/')).status, 404);
  assert.equal((await post(app, partsOf(WHEEL))).status, 200);
}

function open(app: TestApp): Socket {
  const { hostname, port } = new URL(app.url);
  return connect(Number(port), hostname);
}

describe('an upload that is meant ill', () => {
  it('cannot set headers or split the answer', async (t) => {
    const app = await testApp(t);
    const evil = 'x\r\nX-Evil: 1\r\n\r\n<html>';
    for (const field of ['name', 'version', 'filetype', 'pyversion', ':action', 'protocol_version', 'sha256_digest']) {
      const answer = await post(app, partsOf(WHEEL, { [field]: evil }));
      assert.equal(answer.status, 400, field);
      assert.equal(answer.headers['x-evil'], undefined);
      assert.ok(!answer.statusMessage.includes('\n'));
      assert.match(String(answer.headers['content-type']), /^text\/plain/);
    }
    await assertUnharmed(app);
  });

  it('cannot name a place by its file name', async (t) => {
    const app = await testApp(t);
    const names = ['../../x/demo-1.0-py3-none-any.whl', '/etc/demo-1.0-py3-none-any.whl', '..', '.', 'a/../b.whl'];
    names.push('..\\demo-1.0-py3-none-any.whl', '%2e%2e%2fdemo-1.0-py3-none-any.whl', 'demo-1.0-py3-none-any.whl%00');
    for (const filename of names) {
      const parts = partsOf(WHEEL).map((part) => (part.filename === undefined ? part : { ...part, filename }));
      assert.equal((await post(app, parts)).status, 400, filename);
    }
    await assertUnharmed(app);
  });

  it('cannot reach the prototype of anything', async (t) => {
    const app = await testApp(t);
    for (const name of ['__proto__[x]', 'constructor[prototype][x]', '__proto__.x', 'a[__proto__][x]', 'a[99999999]']) {
      const answer = await post(app, [{ name, value: 'polluted' }, ...partsOf(WHEEL, { version: '9' })]);
      assert.equal(answer.status, 400, name);
    }
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      const answer = await post(app, [{ name, value: 'x' }, ...partsOf(WHEEL, { version: '9' })]);
      assert.equal(answer.status, 400, name);
    }
    assert.equal(({} as { x?: unknown }).x, undefined);
    await assertUnharmed(app);
  });

  it('cannot send two files, or none', async (t) => {
    const app = await testApp(t);
    const file = { name: 'content', value: WHEEL.bytes, filename: WHEEL.filename };
    const fields = partsOf(WHEEL).filter((part) => part.filename === undefined);
    assert.equal((await post(app, [...fields, file, file])).status, 400);
    assert.equal((await post(app, fields)).status, 400);
    assert.equal((await post(app, [...fields, { name: 'content', value: WHEEL.bytes }])).status, 400);
    assert.equal((await post(app, [...fields, { ...file, filename: '' }])).status, 400);
    assert.equal((await post(app, [...fields, { ...file, name: 'other' }])).status, 400);
    const large = { name: 'gpg_signature', value: Buffer.alloc(2 << 20), filename: 'x.asc' };
    assert.equal((await post(app, [large, ...fields, file])).status, 413);
    await assertUnharmed(app);
  });

  it('cannot be malformed in a way that breaks anything', async (t) => {
    const app = await testApp(t);
    const whole = multipart(partsOf(WHEEL));
    const bodies: [string, Buffer | string, Record<string, string>][] = [
      ['no form', '{}', { 'Content-Type': 'application/json' }],
      ['no type', whole, { 'Content-Type': '' }],
      ['no boundary', whole, { 'Content-Type': 'multipart/form-data' }],
      ['another boundary', whole, { 'Content-Type': 'multipart/form-data; boundary=x' }],
      ['mixed', whole, { 'Content-Type': `multipart/mixed; boundary=${BOUNDARY}` }],
      ['empty', '', {}],
      ['cut before the end', whole.subarray(0, -30), {}],
      ['cut in the file', whole.subarray(0, -400), {}],
      ['a part without a name', `--${BOUNDARY}\r\nContent-Type: x\r\n\r\nx\r\n--${BOUNDARY}--\r\n`, {}],
      ['a header without end', `--${BOUNDARY}\r\n${'x: y\r\n'.repeat(50_000)}`, {}],
      ['a name that is too long', multipart([{ name: 'n'.repeat(500), value: '' }, ...partsOf(WHEEL)]), {}],
    ];
    for (const [name, body, headers] of bodies) {
      const { status } = await send(app, body, headers);
      assert.ok(status >= 400 && status < 500, `${name}: ${status}`);
    }
    const many = Array.from({ length: 6000 }, (_, i) => ({ name: `f${i}`, value: '' }));
    assert.equal((await post(app, [...many, ...partsOf(WHEEL)])).status, 413);
    const long = Array.from({ length: 6 }, (_, i) => ({ name: `f${i}`, value: 'x'.repeat(7 << 20) }));
    assert.equal((await post(app, [...long, ...partsOf(WHEEL)])).status, 413);
    assert.equal(app.logged.filter((line) => Number(line.level) >= 50).length, 0);
    await assertUnharmed(app);
  });

  it('is refused before its body when it is too large or may not, and the answer arrives', async (t) => {
    const app = await testApp(t, { config: { limits: { uploadBytes: '1MiB', minFreeBytes: '0B' } } });
    const head = (authorization: string, length: string) =>
      `POST /legacy/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n` +
      `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\n${length}\r\n\r\n`;
    for (const [authorization, length, status] of [
      [AUTH(app), 'Content-Length: 60000000', 413],
      [basic('nonsense'), 'Content-Length: 60000000', 401],
      ['', 'Transfer-Encoding: chunked', 401],
    ] as const) {
      const socket = open(app);
      socket.write(head(authorization, length));
      const [first] = (await once(socket, 'data')) as [Buffer];
      assert.match(first.toString(), new RegExp(`^HTTP/1.1 ${status} `));
      assert.match(first.toString(), /connection: close/i);
      socket.destroy();
    }
    // Within the announced length, the file itself is too large; the client sends all and then reads.
    const big = makeWheel({ name: 'demo', version: '1.0', padding: 8 << 20 });
    const answer = await post(app, partsOf(big));
    assert.equal(answer.status, 413);
    assert.match(answer.body, /1048576 bytes/);
    await assertUnharmed(app);
  });

  it('does not leave anything when the client goes away', async (t) => {
    const app = await testApp(t);
    const body = multipart(partsOf(makeWheel({ name: 'demo', version: '1.0', padding: 1 << 20 })));
    for (const part of [0.1, 0.5, 0.99]) {
      const socket = open(app);
      const headers = Object.entries(multipartHeaders(body)).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`POST /legacy/ HTTP/1.1\r\nHost: x\r\nAuthorization: ${AUTH(app)}\r\n${headers.join('')}\r\n`);
      socket.write(body.subarray(0, Math.floor(body.length * part)));
      for (let i = 0; i < 500 && (await spoolsOf(app)).length === 0; i++)
        await new Promise((resolve) => setImmediate(resolve));
      socket.destroy();
      await once(socket, 'close');
    }
    await assertUnharmed(app);
    assert.equal(app.logged.filter((line) => Number(line.level) >= 50).length, 0);
  });

  it('may come in chunks, or ask first', async (t) => {
    const app = await testApp(t);
    const body = multipart(partsOf(WHEEL));
    const socket = open(app);
    socket.write(
      `POST /legacy/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: ${AUTH(app)}\r\nExpect: 100-continue\r\n` +
        `Content-Type: multipart/form-data; boundary=${BOUNDARY}\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const [first] = (await once(socket, 'data')) as [Buffer];
    assert.match(first.toString(), /^HTTP\/1.1 100 /);
    for (let at = 0; at < body.length; at += 100) {
      const piece = body.subarray(at, at + 100);
      socket.write(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]));
    }
    socket.write('0\r\n\r\n');
    assert.match(await text(socket), /^HTTP\/1.1 200 /);
    assert.equal((await app.get('/simple/demo/')).status, 200);
  });

  it('finds no room without harm: 507, and what is there goes on', async (t) => {
    const app = await testApp(t);
    assert.equal((await post(app, partsOf(WHEEL))).status, 200);
    await app.stop();
    const config = { limits: { minFreeBytes: '1000TiB', stopGrace: '2s' } };
    const full = await testApp(t, { dataDir: app.dataDir, config });
    const answer = await post(full, partsOf(makeWheel({ name: 'demo', version: '2.0' })));
    assert.equal(answer.status, 507);
    assert.match(answer.statusMessage, /^The storage is full/);
    assert.deepEqual(await spoolsOf(full), []);
    assert.equal((await full.get(`/simple/demo/${WHEEL.filename}`)).status, 200);
    assert.equal((await full.get('/simple/demo/demo-2.0-py3-none-any.whl')).status, 404);
    assert.equal((await post(full, partsOf(WHEEL))).status, 507);
  });
});
