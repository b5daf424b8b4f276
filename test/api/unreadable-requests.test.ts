import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, it } from 'node:test';
import { refuseUnreadable } from '../../server/http/parser-errors.ts';
import { createLogger } from '../../server/log.ts';
import { bearer } from '../support/test-access.ts';
import { testApp } from '../support/test-app.ts';

/** Sends bytes as they are; all that came until the server closed the connection. */
function whole(url: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      answer += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.write(Buffer.from(request, 'latin1'));
  });
}

function isProblem(answer: string, slug: string, what: string): string {
  const [head = '', body = '', more] = answer.split('\r\n\r\n');
  assert.equal(more, undefined, `${what}: one answer, ${answer}`);
  const problem = JSON.parse(body) as { type: string; status: number; title: string; instance: string };
  assert.equal(problem.type, `/problems/${slug}`, what);
  assert.match(head, new RegExp(`^HTTP/1\\.1 ${problem.status} `), what);
  assert.match(head, /^content-type: application\/problem\+json$/im, what);
  assert.match(head, new RegExp(`^content-length: ${Buffer.byteLength(body)}$`, 'im'), what);
  assert.match(head, new RegExp(`^x-request-id: ${problem.instance}$`, 'im'), what);
  return head;
}

const NO_REQUEST: readonly (readonly [what: string, request: string, slug: string])[] = [
  ['no request', 'nonsense\r\n\r\n', 'malformed-request'],
  ['a method nobody knows', 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n', 'malformed-request'],
  ['a space in the address', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n', 'malformed-request'],
  ['a NUL in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n', 'malformed-request'],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n', 'malformed-request'],
  ['a long address', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 'head-too-large'],
  ['many headers', `GET / HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(5_000)}\r\n`, 'head-too-large'],
];

describe('what is hardly a request', () => {
  it('is refused as everything else is, and the connection ends', async (t) => {
    const app = await testApp(t);
    for (const [what, request, slug] of NO_REQUEST) {
      const answer = await whole(app.url, request);
      assert.match(isProblem(answer, slug, what), /^connection: close$/im, what);
      const { instance } = JSON.parse(answer.split('\r\n\r\n')[1] ?? '') as { instance: string };
      assert.equal(app.logged.filter((line) => line.id === instance).length, 1, what);
    }
  });

  it('without Host, with two, or with what else it expects, is answered by us as well', async (t) => {
    const { url } = await testApp(t);
    const hostless = await whole(url, 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n');
    isProblem(hostless, 'malformed-request', 'no Host');
    for (const path of ['/livez', '/simple/demo/']) {
      const two = `GET ${path} HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nhOST: b\r\nConnection: close\r\n\r\n`;
      isProblem(await whole(url, two), 'malformed-request', 'two Hosts');
    }
    const expecting = 'GET /livez HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nConnection: close\r\n\r\n';
    assert.match(await whole(url, expecting), /^HTTP\/1\.1 200 /);
  });

  it('in the middle of a body is refused once, whether an answer has begun or not', async (t) => {
    const app = await testApp(t);
    const post = (authorization: string) =>
      `POST /legacy/ HTTP/1.1\r\nHost: a\r\n${authorization}Content-Type: multipart/form-data; boundary=x\r\n` +
      'Transfer-Encoding: chunked\r\n\r\n3\r\n--x\r\nno number\r\n';
    isProblem(
      await whole(app.url, post(`Authorization: ${bearer(app.token)}\r\n`)),
      'malformed-request',
      'a bad chunk',
    );
    const refused = await whole(app.url, post(''));
    assert.equal(refused.match(/HTTP\/1\.1/g)?.length, 1, refused);
    assert.equal((await app.get('/livez')).status, 200);
    assert.deepEqual(
      app.logged.filter((line) => Number(line.level) >= 50),
      [],
    );
  });

  it('does not keep the answer to an earlier request from coming whole', async (t) => {
    const { url } = await testApp(t);
    for (const path of ['/livez', '/metrics', '/simple/', '/problems/']) {
      const answer = await whole(url, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 200 /, path);
      assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1, `${path}: ${answer}`);
      const length = Number(/^content-length: (\d+)$/im.exec(answer)?.[1] ?? Number.NaN);
      const body = answer.slice(answer.indexOf('\r\n\r\n') + 4);
      if (!Number.isNaN(length)) assert.equal(body.length, length, path);
      else assert.match(body, /\r\n0\r\n\r\n$/, path);
    }
  });

  it('that does not come to its end is told so', async (t) => {
    const server = createServer({ headersTimeout: 20, connectionsCheckingInterval: 10 }, () => {});
    const log = createLogger({ level: 'info' }, { write: () => {} });
    server.on('clientError', refuseUnreadable({ log, answersOn: () => [] }));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const answer = await whole(`http://127.0.0.1:${port}`, 'GET / HTTP/1.1\r\nHost: a\r\nX: ');
    isProblem(answer, 'request-timeout', 'a head that drips');
  });
});
