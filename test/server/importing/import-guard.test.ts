import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ImportGuard } from '../../../server/importing/import-guard.ts';

const PUBLIC = '93.184.216.34';
const NAMES: Readonly<Record<string, readonly string[]>> = {
  'index.example': [PUBLIC],
  'files.example': [PUBLIC],
  'inside.example': ['10.1.2.3'],
  'loop.example': ['127.0.0.1'],
  'metadata.example': ['169.254.169.254'],
  'mixed.example': [PUBLIC, 'fe80::1'],
  'mapped.example': ['::ffff:169.254.169.254'],
  'nat.example': ['64:ff9b::a9fe:a9fe'],
  'none.example': [],
};

/** Whether a request from the index at `own` may go to `url`, names looked up as sockets do it. */
async function goes(own: string, url: string, allowHosts: readonly string[] | null = null): Promise<boolean> {
  const resolve = async (name: string) =>
    (NAMES[name] ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const guard = new ImportGuard(new URL(own), allowHosts, resolve);
  const target = new URL(url);
  try {
    await guard.check(target);
  } catch {
    return false;
  }
  if (!/[a-z]/i.test(target.hostname) || target.hostname.startsWith('[')) return true;
  return await new Promise((done) => {
    guard.lookup(target.hostname, { all: true }, (error, addresses) => done(error === null && addresses.length > 0));
  });
}

describe('where an import goes', () => {
  const table: readonly [own: string, url: string, goes: boolean][] = [
    ['https://index.example/simple/', 'https://index.example/simple/a/', true],
    ['https://index.example/simple/', 'https://files.example/a.whl', true],
    ['https://index.example/simple/', 'https://inside.example/a.whl', false],
    ['https://index.example/simple/', 'http://loop.example/a.whl', false],
    ['https://index.example/simple/', 'http://127.0.0.1/a.whl', false],
    ['https://index.example/simple/', 'http://2130706433/a.whl', false],
    ['https://index.example/simple/', 'http://0x7f.1/a.whl', false],
    ['https://index.example/simple/', 'http://[::ffff:127.0.0.1]/a.whl', false],
    ['https://index.example/simple/', 'http://[::1]/a.whl', false],
    ['https://index.example/simple/', 'http://localhost/a.whl', false],
    ['https://index.example/simple/', 'https://metadata.example/a.whl', false],
    ['https://index.example/simple/', 'file:///etc/passwd', false],
    ['https://index.example/simple/', 'https://index.example@loop.example/a.whl', false],
    // An administrator has named it: inside is where old indexes are.
    ['http://inside.example/simple/', 'http://inside.example/simple/a/', true],
    ['http://inside.example/simple/', 'http://inside.example:8081/a.whl', true],
    ['http://inside.example/simple/', 'http://10.9.9.9/a.whl', true],
    ['http://inside.example/simple/', 'https://files.example/a.whl', true],
    ['http://127.0.0.1:8080/simple/', 'http://127.0.0.1:8080/simple/a/', true],
    // Where clouds keep their metadata no index is, whoever names it.
    ['http://inside.example/simple/', 'http://169.254.169.254/latest/', false],
    ['http://169.254.169.254/', 'http://169.254.169.254/latest/', false],
    ['http://metadata.example/', 'http://metadata.example/latest/', false],
    ['http://mixed.example/', 'http://mixed.example/latest/', false],
    ['http://mapped.example/', 'http://mapped.example/latest/', false],
    ['http://nat.example/', 'http://nat.example/latest/', false],
    ['http://[::ffff:a9fe:a9fe]/', 'http://[::ffff:a9fe:a9fe]/latest/', false],
    ['http://none.example/', 'http://none.example/', false],
  ];
  for (const [own, url, expected] of table)
    test(`${expected ? 'yes' : 'no'}: ${url} of ${own}`, async () => assert.equal(await goes(own, url), expected));

  test('with a list, nowhere else', async () => {
    const list = ['index.example', 'inside.example:8081'];
    assert.equal(await goes('https://index.example/simple/', 'https://index.example/simple/a/', list), true);
    assert.equal(await goes('https://index.example/simple/', 'https://index.example:8443/a', list), false);
    assert.equal(await goes('https://index.example/simple/', 'https://files.example/a.whl', list), false);
    assert.equal(await goes('http://inside.example:8081/', 'http://inside.example:8081/a', list), true);
    assert.equal(await goes('https://index.example/simple/', 'http://inside.example:8081/a', list), false);
  });
});
