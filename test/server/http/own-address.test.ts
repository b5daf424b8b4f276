import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { ownAddress } from '../../../server/http/own-address.ts';
import { forwardedReader } from '../../../server/http/trusted-proxy.ts';

const request = (headers: Record<string, string>) =>
  ({ socket: { remoteAddress: '10.0.0.1' }, headers }) as unknown as IncomingMessage;

function addressOf(host: string, headers: Record<string, string>, publicUrl: string | null = null): string {
  return ownAddress({ publicUrl, listen: { host, port: 8085 } }, forwardedReader(['10.0.0.1']))(request(headers));
}

test('our own address is what the configuration says, else the request, else where we listen', () => {
  assert.equal(addressOf('0.0.0.0', { host: 'a.example' }, 'https://b.example/py'), 'https://b.example/py');
  assert.equal(addressOf('0.0.0.0', { host: 'a.example:81' }), 'http://a.example:81');
  const said = { host: 'a.example', 'x-forwarded-proto': 'https', 'x-forwarded-prefix': '/py' };
  assert.equal(addressOf('0.0.0.0', said), 'https://a.example/py');
  assert.equal(addressOf('127.0.0.1', {}), 'http://127.0.0.1:8085');
});

test('it can be parsed, whatever a request says and wherever we listen', () => {
  assert.equal(addressOf('::', { host: 'a b' }), 'http://[::]:8085');
  assert.equal(addressOf('fe80::1%eth0', {}), 'http://localhost:8085');
});
