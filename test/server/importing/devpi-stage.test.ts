import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DevpiStage } from '../../../server/importing/devpi-stage.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { Problem } from '../../../server/problem.ts';

const ROOT = new URL('https://devpi.example/prefix/team/dev/');
const SHA = 'd0e8902f3e552ba3154d124dc58e63926d21194d8a89261f026c3b88a1b71dd9';
const acme = 'acme-lib' as ProjectName;

/** As devpi-server 6.20 answers; test/clients/devpi.test.ts asks a real one. */
function stage(answers: Readonly<Record<string, unknown>>): DevpiStage {
  return new DevpiStage(ROOT, async ({ pathname }) => {
    const answer = answers[pathname];
    if (answer === undefined) throw new Problem('not-found', 'nothing there');
    const body = Buffer.from(typeof answer === 'string' ? answer : JSON.stringify(answer));
    return { contentType: 'application/json', body };
  });
}

describe('an index of devpi', () => {
  test('lists its own projects', async () => {
    const result = { type: 'stage', bases: ['root/pypi'], projects: ['other', 'Acme_Lib', '../x', 5] };
    assert.deepEqual(await stage({ '/prefix/team/dev': { result } }).projects(), ['acme-lib', 'other']);
  });

  test('that is a mirror, or none, is refused in a sentence', async () => {
    const mirror = { '/prefix/team/dev': { result: { type: 'mirror', projects: [] } } };
    await assert.rejects(stage(mirror).projects(), /is a mirror of another index/);
    for (const answer of ['<html>', '[]', { result: 5 }])
      await assert.rejects(stage({ '/prefix/team/dev': answer }).projects(), /does not answer like an index there/);
  });

  test('tells its files with the time of their first upload, below the address that was given', async () => {
    const href = `http://inside.example:3141/team/dev/+f/d0e/890/acme_lib-1.0-py3-none-any.whl`;
    const log = [
      { what: 'push', when: [2025, 1, 1, 0, 0, 0] },
      { what: 'upload', who: 'team', when: [2024, 3, 4, 5, 6, 7], dst: 'team/dev' },
      { what: 'overwrite', count: 1 },
    ];
    const links = [
      { rel: 'releasefile', href, hashes: { sha256: SHA.toUpperCase() }, log },
      { rel: 'releasefile', href: 'acme_lib-0.9.zip', hash_spec: 'md5=d41d8cd98f00b204e9800998ecf8427e' },
      { rel: 'doczip', href: 'acme-lib-1.0.doc.zip' },
      { rel: 'toxresult', href: `${href}.toxresult-0` },
      { rel: 'releasefile' },
    ];
    const answers = { '/prefix/team/dev/acme-lib': { result: { '1.0': { '+links': links }, '0.9': {} } } };
    assert.deepEqual(await stage(answers).files(acme), [
      {
        filename: 'acme_lib-1.0-py3-none-any.whl',
        url: new URL('+f/d0e/890/acme_lib-1.0-py3-none-any.whl', ROOT),
        sha256: SHA,
        uploadTime: '2024-03-04T05:06:07Z',
      },
      { filename: 'acme_lib-0.9.zip', url: new URL('acme_lib-0.9.zip', ROOT) },
    ]);
    assert.equal(await stage({}).files(acme), undefined);
  });
});
