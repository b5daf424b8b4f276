import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { systemClock } from '../../../server/clock.ts';
import { AllowedHosts } from '../../../server/mirroring/source-fetch/allowed-hosts.ts';
import { SourceWeb } from '../../../server/mirroring/source-fetch/source-web.ts';
import type { Resolve } from '../../../server/upstream/resolve.ts';

type Context = { after(fn: () => Promise<void>): void };

const PUBLIC = '93.184.216.34';
const HOSTS = ['git.example', 'files.example:8443', '127.0.0.1:9000', '[::1]:9001', 'localhost', 'trick.example'];

async function refusal(url: string, hosts: readonly string[] = HOSTS): Promise<string | undefined> {
  return await new AllowedHosts(hosts, resolveTo(PUBLIC)).check(new URL(url)).then(
    () => undefined,
    (error: Error) => error.message,
  );
}

function resolveTo(...addresses: readonly string[]): Resolve {
  return async () => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
}

describe('addresses that sources may be fetched from', () => {
  const allowed = [
    'https://git.example/a/b.git',
    'http://git.example/a',
    'https://GIT.example:443/a',
    'https://files.example:8443/a.zip',
    'http://127.0.0.1:9000/a',
    // The same address, however it is written.
    'http://2130706433:9000/a',
    'http://0x7f.1:9000/a',
    'http://0177.0.0.1:9000/a',
    'http://[::1]:9001/a',
    'http://[0:0:0:0:0:0:0:1]:9001/a',
  ];
  for (const url of allowed) test(`yes: ${url}`, async () => assert.equal(await refusal(url), undefined));

  const refused = [
    'https://other.example/a',
    'https://git.example:8443/a',
    'https://git.example.:443/a',
    'https://sub.git.example/a',
    'https://git.example.other.example/a',
    'https://git.example@other.example/a',
    'https://other.example#@git.example/a',
    'https://other.example\\@git.example/a',
    'https://user:secret@git.example/a',
    'https://token@git.example/a',
    'https://files.example/a.zip',
    'http://127.0.0.1/a',
    'http://127.0.0.1:9002/a',
    'http://127.1/a',
    'http://2130706433/a',
    'http://0x7f000001/a',
    'http://017700000001/a',
    'http://0/a',
    'http://[::]/a',
    'http://[::1]/a',
    'http://[::ffff:127.0.0.1]:9000/a',
    'http://[::ffff:7f00:1]:9000/a',
    'http://169.254.169.254/latest/meta-data/',
    'http://[fe80::1]/a',
    'http://[fd00:ec2::254]/a',
    'http://10.0.0.1/a',
    'http://192.168.1.1/a',
    'http://172.16.0.1/a',
    'http://100.64.0.1/a',
    'ftp://git.example/a',
    'file:///etc/passwd',
    'file://git.example/etc/passwd',
    'ssh://git.example/a',
    'git://git.example/a',
    'gopher://git.example/a',
    'data:text/plain,a',
  ];
  for (const url of refused) test(`no: ${url}`, async () => assert.notEqual(await refusal(url), undefined));
});

describe('what a name leads to', () => {
  const inside = [
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.1.2.3',
    '172.31.255.255',
    '192.168.0.1',
    '169.254.169.254',
    '100.100.100.200',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd12::1',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::127.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::a00:1',
    '2002:7f00:1::',
    '2002:a00:1::1',
  ];
  for (const address of inside) {
    test(`${address} is refused, also among others`, async () => {
      for (const all of [[address], [PUBLIC, address]]) {
        const hosts = new AllowedHosts(['git.example'], resolveTo(...all));
        await assert.rejects(hosts.addresses(new URL('https://git.example/')), /private network/);
        await assert.rejects(lookedUp(hosts, 'git.example'), /private network/);
      }
    });
  }
  const outside = [PUBLIC, '8.8.8.8', '2606:2800:220:1::1', '::ffff:8.8.8.8', '64:ff9b::808:808', '2002:808:808::1'];
  for (const address of outside) {
    test(`${address} is not`, async () => {
      const hosts = new AllowedHosts(['git.example'], resolveTo(address));
      assert.deepEqual(await hosts.addresses(new URL('https://git.example/')), [address]);
      assert.equal(await lookedUp(hosts, 'git.example'), address);
    });
  }
});

function lookedUp(hosts: AllowedHosts, name: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    hosts.lookup(name, { all: false }, (error, address) => (error ? reject(error) : resolve(address)));
  });
}

async function server(t: Context, handler: RequestListener): Promise<{ port: number; seen: string[] }> {
  const seen: string[] = [];
  const http = createServer((request, response) => {
    seen.push(request.url ?? '');
    handler(request, response);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
  });
  return { port: (http.address() as AddressInfo).port, seen };
}

function webOf(t: Context, hosts: readonly string[], resolve?: Resolve): SourceWeb {
  const guard = new AllowedHosts(hosts, resolve);
  const web = new SourceWeb({ hosts: guard, clock: systemClock, userAgent: 'test', proxies: {}, timeoutMs: 10_000 });
  t.after(() => web.close());
  return web;
}

const signal = new AbortController().signal;

describe('redirects and names that move', () => {
  test('a redirect is asked like the first address', async (t) => {
    const other = await server(t, (_request, response) => response.end('secret'));
    const targets = [
      `http://127.0.0.1:${other.port}/`,
      `http://localhost:${other.port}/`,
      `http://[::ffff:127.0.0.1]:${other.port}/`,
      'http://169.254.169.254/latest/',
      'file:///etc/passwd',
      'ssh://git.example/',
    ];
    for (const target of targets) {
      const first = await server(t, (_request, response) => response.writeHead(302, { location: target }).end());
      const web = webOf(t, [`127.0.0.1:${first.port}`]);
      const got = web.text(`http://127.0.0.1:${first.port}/a`, { signal, maxBytes: 100 });
      await assert.rejects(got, { slug: 'not-accepted' }, target);
    }
    assert.deepEqual(other.seen, []);
  });

  test('a redirect to another allowed host is followed, a circle is not', async (t) => {
    const other = await server(t, (_request, response) => response.end('text'));
    const first = await server(t, (request, response) => {
      const location = request.url === '/circle' ? '/circle' : `http://127.0.0.1:${other.port}/b`;
      response.writeHead(302, { location }).end();
    });
    const web = webOf(t, [`127.0.0.1:${first.port}`, `127.0.0.1:${other.port}`]);
    assert.equal(await web.text(`http://127.0.0.1:${first.port}/a`, { signal, maxBytes: 100 }), 'text');
    await assert.rejects(web.text(`http://127.0.0.1:${first.port}/circle`, { signal, maxBytes: 100 }), {
      slug: 'upstream-unavailable',
    });
  });

  test('a name that resolves to loopback reaches nothing, whichever look-up says so', async (t) => {
    const inside = await server(t, (_request, response) => response.end('secret'));
    let lookups = 0;
    // The first answer is for whoever only checks; the next is for whoever connects.
    const rebinding: Resolve = async () => {
      lookups += 1;
      return [{ address: lookups === 1 ? '127.0.0.1' : '127.0.0.1', family: 4 }];
    };
    const web = webOf(t, [`trick.example:${inside.port}`, `localhost:${inside.port}`], rebinding);
    for (const host of ['trick.example', 'localhost']) {
      const got = web.text(`http://${host}:${inside.port}/`, { signal, maxBytes: 100 });
      await assert.rejects(got, { slug: 'not-accepted' });
    }
    assert.deepEqual(inside.seen, []);
  });

  test('the addresses that were checked are the ones that are connected to', async (t) => {
    const inside = await server(t, (_request, response) => response.end('secret'));
    let lookups = 0;
    const rebinding: Resolve = async () => {
      lookups += 1;
      return [{ address: lookups === 1 ? '192.0.2.1' : '127.0.0.1', family: 4 }];
    };
    const web = webOf(t, [`trick.example:${inside.port}`], rebinding);
    await assert.rejects(web.text(`http://trick.example:${inside.port}/`, { signal, maxBytes: 100 }));
    assert.equal(lookups, 1, 'one look-up for one connection');
    assert.deepEqual(inside.seen, []);
  });

  test('a body that is too long, in length or in truth, is not taken', async (t) => {
    const { port } = await server(t, (request, response) => {
      if (request.url === '/told') response.writeHead(200, { 'content-length': '1000' });
      response.end('x'.repeat(1000));
    });
    const web = webOf(t, [`127.0.0.1:${port}`]);
    for (const path of ['/told', '/untold'])
      await assert.rejects(web.text(`http://127.0.0.1:${port}${path}`, { signal, maxBytes: 100 }), {
        slug: 'not-accepted',
      });
  });
});
