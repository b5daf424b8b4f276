import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { testApp } from '../support/test-app.ts';

test('every series that docs/operations.md has an alert on is there before anything has gone wrong', async (t) => {
  const page = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const told = [...page.matchAll(/\b((?:stormcellar|nodejs)_\w+)(?:\{(\w+="\w+")\})?/g)];
  assert.ok(told.length >= 5);
  const app = await testApp(t, { upstream: 'http://127.0.0.1:9/simple/' });
  await app.get('/simple/demo/');
  const lines = (await (await app.get('/metrics')).text()).split('\n');
  for (const [text, name = '', label = ''] of told) {
    const found = lines.some((line) => new RegExp(`^${name}(_bucket)?[{ ]`).test(line) && line.includes(label));
    assert.ok(found, text);
  }
  const [increases] = /increase\(stormcellar_requests_total\{status="(\d+)"\}/.exec(page)?.slice(1) ?? [];
  assert.ok(lines.includes(`stormcellar_requests_total{route="legacy",status="${increases}"} 0`));
});
