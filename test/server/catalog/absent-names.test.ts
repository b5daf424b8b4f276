import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetAbsentNames } from '../../../server/catalog/absent-names.ts';
import { findProjectState } from '../../../server/catalog/project-state.ts';
import { recordPulledFile } from '../../../server/catalog/stored-files.ts';
import { findUpstreamPage, rememberPage } from '../../../server/catalog/upstream-pages.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { digestOf } from '../../support/spooled.ts';
import { testCatalog } from '../../support/test-catalog.ts';

async function asked(t: { after(fn: () => Promise<void>): void }) {
  const catalog = await testCatalog(t);
  const remember = (name: string, present: boolean, checkedAt: number, repository = 'pypi') =>
    catalog.write(() =>
      rememberPage({
        repository,
        name: name as ProjectName,
        present,
        status: 'active',
        statusReason: undefined,
        etag: undefined,
        serial: undefined,
        checkedAt,
        freshUntil: checkedAt,
        suspectSince: undefined,
        body: '{}',
      }),
    );
  const forget = (after: string) => catalog.write(() => forgetAbsentNames({ before: 2_000, after, limit: 3 }));
  return { catalog, remember, forget };
}

test('names that were not there are forgotten after a while, and nothing else', async (t) => {
  const { catalog, remember, forget } = await asked(t);
  for (let i = 0; i < 5; i += 1) await remember(`absent-${i}`, false, 1_000);
  await remember('asked-lately', false, 5_000);
  await remember('there', true, 1_000);
  await remember('was-stored', false, 1_000);
  const detail = { filename: 'was_stored-1.0.tar.gz', hashes: {} };
  const file = { repository: 'pypi', project: 'was-stored' as ProjectName, detail, version: '1.0', size: 1 };
  await catalog.write(() => recordPulledFile({ ...file, digest: digestOf('x'), changesPage: false }, 1_000));

  assert.equal(await forget(''), 'absent-2');
  assert.equal(await forget('absent-2'), 'absent-4');
  assert.equal(await forget('absent-4'), undefined);
  const known = async (name: string) =>
    (await catalog.read(() => findProjectState('pypi', name as ProjectName))) !== undefined;
  assert.equal(await known('absent-0'), false);
  assert.equal(await catalog.read(() => findUpstreamPage('pypi', 'absent-0' as ProjectName)), undefined);
  for (const name of ['asked-lately', 'there', 'was-stored']) assert.equal(await known(name), true, name);
});

test('a name that several upstreams did not have is forgotten of all of them', async (t) => {
  const { catalog, remember, forget } = await asked(t);
  for (const name of ['one', 'two'])
    for (const repository of ['a', 'b']) await remember(name, false, 1_000, repository);
  let after: string | undefined = '';
  while (after !== undefined) after = await forget(after);
  for (const repository of ['a', 'b'])
    assert.equal(await catalog.read(() => findProjectState(repository, 'two' as ProjectName)), undefined, repository);
});
