import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressGuard } from '../../../server/upstream/address-guard.ts';
import type { Resolve } from '../../../server/upstream/resolve.ts';

const NAMES: Readonly<Record<string, readonly string[]>> = {
  'index.example': ['93.184.216.34'],
  'files.example': ['93.184.216.35', '2606:2800:220:1::1'],
  'corp.example': ['10.1.2.3'],
  'rebound.example': ['93.184.216.34', '192.168.1.1'],
  'metadata.example': ['169.254.169.254'],
  'nat64.example': ['64:ff9b::10.1.2.3'],
  'nat64-metadata.example': ['64:ff9b::a9fe:a9fe'],
};

const resolve: Resolve = async (hostname) => {
  const addresses = NAMES[hostname];
  if (!addresses) throw Object.assign(new Error(`no ${hostname}`), { code: 'ENOTFOUND' });
  return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
};

function guardOf(...own: string[]): AddressGuard {
  return new AddressGuard(
    own.map((url) => new URL(url)),
    resolve,
  );
}

function look(guard: AddressGuard, hostname: string, options: { all?: boolean; family?: number } = {}) {
  return new Promise((resolved, reject) => {
    guard.lookup(hostname, options, (error, address) => (error ? reject(error) : resolved(address)));
  });
}

const PRIVATE = [
  'http://127.0.0.1/',
  'http://localhost:8085/',
  'http://x.localhost/',
  'http://[::1]/',
  'http://[::ffff:10.0.0.1]/',
  'http://10.0.0.1/',
  'http://172.31.255.255/',
  'http://192.168.0.1/',
  'http://100.64.0.1/',
  'http://[fd00::1]/',
  'http://0.0.0.0/',
  'http://0x7f000001/',
  'http://2130706433/',
  'http://127.1/',
  // As NAT64, 6to4 and the old compatible form write them.
  'http://[64:ff9b::10.0.0.1]/',
  'http://[2002:7f00:1::]/',
  'http://[::192.168.0.1]/',
];
const LINK_LOCAL = [
  'http://169.254.169.254/',
  'http://[fe80::1]/',
  'http://224.0.0.1/',
  'http://[::ffff:a9fe:a9fe]/',
  'http://[64:ff9b::a9fe:a9fe]/',
  'http://[2002:a9fe:a9fe::]/',
];

test('a public index leads to no private address, an index inside leads to those, none leads to link-local ones', async () => {
  const [outside, inside] = [guardOf('https://index.example/simple/'), guardOf('http://corp.example/simple/')];
  for (const url of PRIVATE) {
    await assert.rejects(outside.check(new URL(url)), /private network/, url);
    await inside.check(new URL(url));
  }
  for (const url of LINK_LOCAL) {
    await assert.rejects(outside.check(new URL(url)), /private network/, url);
    await assert.rejects(inside.check(new URL(url)), /private network/, url);
  }
  for (const url of ['https://93.184.216.35/', 'https://files.example/', 'https://172.32.0.1/']) {
    await outside.check(new URL(url));
  }
  for (const url of ['file:///etc/passwd', 'ftp://files.example/', 'data:text/plain,x', 'javascript:1']) {
    await assert.rejects(inside.check(new URL(url)), /neither http nor https/);
  }
});

test('its own addresses and those of its fallbacks are always allowed, at their own port only', async () => {
  const guard = guardOf('https://index.example/simple/', 'http://127.0.0.1:8080/simple/');
  await guard.check(new URL('http://127.0.0.1:8080/files/x'));
  // A fallback inside makes the index one that is inside.
  await guard.check(new URL('http://127.0.0.1:9/'));
  const outside = guardOf('https://93.184.216.34/simple/');
  await assert.rejects(outside.check(new URL('http://127.0.0.1:8080/')), /private network/);
});

test('names are judged by what they resolve to at the moment of connecting', async () => {
  const guard = guardOf('https://index.example/simple/');
  assert.equal(await look(guard, 'files.example'), '93.184.216.35');
  assert.equal(await look(guard, 'files.example', { family: 6 }), '2606:2800:220:1::1');
  const all = (await look(guard, 'files.example', { all: true })) as unknown[];
  assert.equal(all.length, 2);
  await assert.rejects(look(guard, 'corp.example'), /private network/);
  await assert.rejects(look(guard, 'rebound.example'), /private network/);
  await assert.rejects(look(guard, 'metadata.example'), /private network/);
  await assert.rejects(look(guard, 'nat64.example'), /private network/);
  await assert.rejects(look(guard, 'nowhere.example'), { code: 'ENOTFOUND' });
  const inside = guardOf('http://corp.example/simple/');
  assert.equal(await look(inside, 'corp.example'), '10.1.2.3');
  assert.equal(await look(inside, 'nat64.example'), '64:ff9b::10.1.2.3');
  await assert.rejects(look(inside, 'metadata.example'), /private network/);
  await assert.rejects(look(inside, 'nat64-metadata.example'), /private network/);
  assert.equal(await look(guardOf('http://nat64.example/simple/'), 'corp.example'), '10.1.2.3');
  const unresolved = guardOf('http://nowhere.example/simple/');
  await assert.rejects(look(unresolved, 'corp.example'), /private network/);
});
