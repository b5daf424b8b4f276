import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { configPage, exampleText } from '../../../scripts/config-page.ts';
import { loadConfig } from '../../../server/config/load.ts';

const at = (name: string) => new URL(`../../../${name}`, import.meta.url);
const remedy = 'run: node scripts/make-config-docs.ts';

test('the example and the documentation are made from the present schema', async () => {
  assert.equal(await readFile(at('config.example.json'), 'utf8'), exampleText(), remedy);
  assert.equal(await readFile(at('docs/configuration.md'), 'utf8'), configPage(), remedy);
});

test('the example loads as it is and says what holds without it', async () => {
  const example = await loadConfig({ file: at('config.example.json').pathname, env: {} });
  assert.deepEqual(example, await loadConfig({ env: {} }));
});

test('every key of the documentation has a meaning and a default, or must be given', () => {
  for (const line of configPage().split('\n')) {
    if (!line.startsWith('| `')) continue;
    assert.doesNotMatch(line, /undefined|\|\s*\|/, line);
  }
});
