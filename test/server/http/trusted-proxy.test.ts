import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { forwardedReader } from '../../../server/http/trusted-proxy.ts';

function request(peer: string | undefined, headers: IncomingHttpHeaders): IncomingMessage {
  return { socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage;
}

describe('the address of a client', () => {
  const cases: readonly [
    what: string,
    trust: string[],
    peer: string | undefined,
    forwardedFor: string,
    address: string,
  ][] = [
    ['is the peer where nobody is trusted', [], '203.0.113.9', '10.1.1.1', '203.0.113.9'],
    ['is the peer when it is not trusted', ['10.0.0.0/8'], '203.0.113.9', '10.1.1.1', '203.0.113.9'],
    ['is what a trusted peer says', ['10.0.0.0/8'], '10.0.0.1', '203.0.113.9', '203.0.113.9'],
    [
      'is what the proxy wrote, not what its client did',
      ['10.0.0.1'],
      '10.0.0.1',
      '198.51.100.1, 203.0.113.9',
      '203.0.113.9',
    ],
    ['passes over several proxies', ['10.0.0.0/8'], '10.0.0.1', '1.1.1.1, 203.0.113.9, 10.0.0.3', '203.0.113.9'],
    ['is the first of a chain of proxies alone', ['10.0.0.0/8'], '10.0.0.1', '10.0.0.2, 10.0.0.3', '10.0.0.2'],
    ['ends at what is malformed', ['10.0.0.1', '10.0.0.3'], '10.0.0.1', '1.1.1.1, <script>, 10.0.0.3', '10.0.0.3'],
    ['is the peer when all is malformed', ['10.0.0.1'], '10.0.0.1', 'unknown', '10.0.0.1'],
    ['is the peer when nothing is said', ['10.0.0.1'], '10.0.0.1', '', '10.0.0.1'],
    ['may come with a port', ['10.0.0.1'], '10.0.0.1', '203.0.113.9:5123', '203.0.113.9'],
    ['may be IPv6 with a port', ['::1'], '::1', '[2001:db8::7]:5123', '2001:db8::7'],
    ['is trusted in its IPv6 form', ['10.0.0.0/8'], '::ffff:10.0.0.1', '203.0.113.9', '203.0.113.9'],
    ['is shown without its IPv6 form', [], '::ffff:203.0.113.9', '', '203.0.113.9'],
    ['is trusted by an IPv6 network', ['2001:db8::/32'], '2001:db8::1', '203.0.113.9', '203.0.113.9'],
    ['is something even when the peer has gone', [], undefined, '', '0.0.0.0'],
  ];
  for (const [what, trust, peer, forwardedFor, address] of cases) {
    it(what, () => {
      const read = forwardedReader(trust);
      assert.equal(read(request(peer, { 'x-forwarded-for': forwardedFor })).address, address);
    });
  }

  it('needs a list of addresses and networks', () => {
    assert.throws(() => forwardedReader(['proxy.example']), TypeError);
  });
});

describe('protocol, host and prefix', () => {
  const said = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'py.example', 'x-forwarded-prefix': '/a/cellar/' };
  const headers = { host: 'inner:8085', ...said };
  const direct = { protocol: 'http', host: 'inner:8085', prefix: '' };

  it('are what a trusted proxy says', () => {
    const { protocol, host, prefix } = forwardedReader(['10.0.0.1'])(request('10.0.0.1', headers));
    assert.deepEqual({ protocol, host, prefix }, { protocol: 'https', host: 'py.example', prefix: '/a/cellar' });
  });

  it('are not what anybody else says', () => {
    const { protocol, host, prefix } = forwardedReader(['10.0.0.1'])(request('10.0.0.2', headers));
    assert.deepEqual({ protocol, host, prefix }, direct);
  });

  it('are not what is malformed', () => {
    for (const value of ['evil/path', 'a b', 'x\r\ny', '@evil', 'javascript:alert(1)', '//evil', '/a?b', '/../a b']) {
      const forged = { ...headers, 'x-forwarded-proto': value, 'x-forwarded-host': value, 'x-forwarded-prefix': value };
      const { protocol, host, prefix } = forwardedReader(['10.0.0.1'])(request('10.0.0.1', forged));
      assert.deepEqual({ protocol, host, prefix }, direct, value);
    }
  });
});
