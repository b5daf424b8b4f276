import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, describe, it } from 'node:test';
import { CatalogUnavailableError } from '../../../server/catalog/errors.ts';
import { reasonPhrase, sendProblem } from '../../../server/http/problem-response.ts';
import { beginContext } from '../../../server/http/request-context.ts';
import { createLogger } from '../../../server/log.ts';
import { Problem } from '../../../server/problem.ts';
import { StorageFullError } from '../../../storage/errors.ts';

describe('a problem becomes an answer', () => {
  let thrown: unknown;
  let style: 'text' | 'problem+json';
  let prepare: (res: ServerResponse) => void = () => {};
  const lines: { level: number; msg: string; problem: string; err?: { message: string } }[] = [];
  const log = createLogger(
    { level: 'info' },
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)));
        done();
      },
    }),
  );
  const server = createServer((req, res) => {
    beginContext(req, { address: '127.0.0.1', nowMs: 0, log });
    prepare(res);
    sendProblem(req, res, thrown, { style });
  });
  let port = 0;
  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  after(() => server.close());
  beforeEach(() => {
    lines.length = 0;
    prepare = () => {};
    style = 'problem+json';
  });

  async function ask(
    headers: Record<string, string> = {},
    method = 'GET',
  ): Promise<{ message: IncomingMessage; body: string }> {
    const req = request({ port, host: '127.0.0.1', path: '/x?token=secret', method, headers, agent: false });
    req.end();
    const [message] = (await once(req, 'response')) as [IncomingMessage];
    return { message, body: await text(message) };
  }

  it('as RFC 9457 says, with the request id and the declared members', async () => {
    thrown = new Problem('rate-limited', 'Wait a little.', { retryAfter: 1.2, members: { tries: 3, status: 1 } });
    const { message, body } = await ask();
    assert.equal(message.statusCode, 429);
    assert.equal(message.headers['content-type'], 'application/problem+json');
    assert.equal(message.headers['retry-after'], '2');
    assert.deepEqual(JSON.parse(body), {
      type: '/problems/rate-limited',
      title: 'Too many failed attempts',
      status: 429,
      detail: 'Wait a little.',
      instance: message.headers['x-request-id'],
      tries: 3,
    });
  });

  it('as text, with the sentence in the status line', async () => {
    style = 'text';
    thrown = new Problem('file-exists', 'é – \r\n X-Evil: 1');
    const { message, body } = await ask();
    assert.equal(message.statusMessage, 'File already exists: e -   X-Evil: 1');
    assert.equal(message.headers['x-evil'], undefined);
    assert.equal(message.headers['content-type'], 'text/plain; charset=utf-8');
    assert.ok(body.startsWith('File already exists: é – '));
  });

  it('as JSON of a type that uv recognises, when JSON is preferred', async () => {
    style = 'text';
    thrown = new Problem('file-exists', 'Really.');
    const { message, body } = await ask({ Accept: 'application/json;q=0.9, text/plain;q=0.8, text/html;q=0.7' });
    assert.equal(message.headers['content-type'], 'application/json');
    assert.deepEqual(JSON.parse(body), {
      message: 'File already exists: Really.',
      code: '409 File already exists: Really.',
      title: 'File already exists',
    });
  });

  it('with a challenge for who has no credentials', async () => {
    thrown = new Problem('credentials-required', 'A token is needed.');
    const { message } = await ask();
    assert.match(String(message.headers['www-authenticate']), /^Basic realm=/);
  });

  it('without what was set for the answer that did not come about', async () => {
    prepare = (res) => {
      res.setHeader('ETag', '"x"');
      res.setHeader('Content-Length', 7);
    };
    thrown = new Problem('not-found', 'No.');
    const { message, body } = await ask();
    assert.equal(message.headers.etag, undefined);
    assert.equal(Number(message.headers['content-length']), body.length);
    assert.equal((await ask({}, 'HEAD')).body, '');
  });

  it('that tells nothing of what went wrong inside', async () => {
    thrown = new Error('select secret from /var/lib');
    const { message, body } = await ask();
    assert.equal(message.statusCode, 500);
    assert.ok(!body.includes('secret') && !body.includes('/var'));
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.level, 50);
    assert.equal(lines[0]?.err?.message, 'select secret from /var/lib');
    assert.ok(!JSON.stringify(lines).includes('token=secret'));
  });

  it('in our words when an adapter failed', async () => {
    for (const [error, status] of [
      [new StorageFullError('x'), 507],
      [new CatalogUnavailableError('x'), 503],
      [Object.assign(new Error('x'), { status: 400, type: 'entity.parse.failed' }), 400],
      [Object.assign(new Error('x'), { status: 413 }), 413],
      ['a string', 500],
    ] as const) {
      thrown = error;
      assert.equal((await ask()).message.statusCode, status);
    }
  });

  it('logged once, client faults at info', async () => {
    thrown = new Problem('not-found', 'No.');
    await ask();
    assert.deepEqual(
      lines.map((line) => [line.level, line.problem]),
      [[30, 'not-found']],
    );
  });

  it('by breaking off when the first byte is out', async () => {
    prepare = (res) => {
      res.writeHead(200, { 'Content-Length': 10 });
      res.write('half');
    };
    thrown = new Error('x');
    await assert.rejects(ask());
  });

  it('before a large body is read, and the client still gets it', async () => {
    thrown = new Problem('payload-too-large', 'Too much.');
    const socket = connect(port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n');
    for (let i = 0; i < 8; i++) socket.write(Buffer.alloc(1_000_000));
    const answer = await text(socket);
    assert.match(answer, /^HTTP\/1.1 413 /);
    assert.match(answer, /Connection: close/i);
    assert.match(answer, /"detail":"Too much."/);
  });

  it('whose status line Node accepts, whatever the sentence', () => {
    const all = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join('');
    for (let at = 0; at < all.length; at += 100) {
      assert.doesNotMatch(reasonPhrase(all.slice(at, at + 100)), /[^\x20-\x7e]/);
    }
    assert.equal(reasonPhrase('x'.repeat(500)).length, 200);
  });
});
