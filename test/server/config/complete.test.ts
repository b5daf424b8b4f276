import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSettings } from '../../../server/config/check.ts';
import type { Config } from '../../../server/config/schema.ts';

function settings(raw: Record<string, unknown>): Config {
  const { settings: read, complaints } = checkSettings(raw);
  assert.deepEqual(complaints, []);
  assert.ok(read);
  return read;
}
const shape = ({ repositories, indexes, defaultIndex }: Config) => ({
  repositories: Object.fromEntries(Object.entries(repositories).map(([name, { kind }]) => [name, kind])),
  indexes: Object.fromEntries(Object.entries(indexes).map(([name, index]) => [name, index.repositories])),
  defaultIndex,
});
const local = 'hosted';
const pypi = 'upstream';
const both = { repositories: { local, pypi }, indexes: { main: ['local', 'pypi'] }, defaultIndex: 'main' };

test('nothing written is the default', () => {
  assert.deepEqual(shape(settings({})), both);
});

test('only the address of the upstream, with and without its kind', () => {
  const url = 'http://127.0.0.1:9/simple/';
  for (const repository of [{ kind: 'upstream', url }, { url }]) {
    const read = settings({ repositories: { pypi: repository } });
    assert.deepEqual(shape(read), { ...both, repositories: { pypi, local } });
    assert.equal(read.repositories.pypi?.kind === 'upstream' && read.repositories.pypi.url, url);
  }
});

test('only private names: the index looks through everything, hosted first', () => {
  const read = settings({ indexes: { main: { private: ['acme-*'] } } });
  assert.deepEqual(shape(read), both);
  assert.deepEqual(read.indexes.main?.private, ['acme-*']);
});

test('an index that names a default gets it, and no other default comes along', () => {
  const read = settings({
    repositories: { other: { url: 'http://127.0.0.1:9/simple/' } },
    indexes: { team: { repositories: ['local', 'other'] } },
  });
  assert.deepEqual(shape(read), {
    repositories: { other: 'upstream', local },
    indexes: { team: ['local', 'other'] },
    defaultIndex: 'team',
  });
});

test('repositories without indexes are one index, hosted ones first', () => {
  const read = settings({
    repositories: { a: { url: 'http://127.0.0.1:9/a/' }, mine: { kind: 'hosted' } },
    defaultIndex: 'all',
  });
  assert.deepEqual(shape(read), {
    repositories: { a: 'upstream', mine: 'hosted' },
    indexes: { all: ['mine', 'a'] },
    defaultIndex: 'all',
  });
});

test('what is wrong is still told', () => {
  const paths = (raw: Record<string, unknown>) => checkSettings(raw).complaints.map(({ path }) => path);
  assert.deepEqual(paths({ repositories: { odd: {} } }), ['repositories.odd.kind']);
  assert.deepEqual(paths({ repositories: 7 }), ['repositories']);
  assert.deepEqual(paths({ indexes: { main: { repositories: ['nobody'] } } }), ['indexes.main.repositories[0]']);
  assert.deepEqual(paths({ indexes: { a: {}, b: {} } }), ['defaultIndex']);
});
