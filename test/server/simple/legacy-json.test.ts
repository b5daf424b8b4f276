import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCoreMetadata } from '../../../server/model/core-metadata.ts';
import type { DistributionFile, ProjectDetail } from '../../../server/model/distribution-file.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import { describedRelease, describingFile, releasesOf, renderLegacyJson } from '../../../server/simple/legacy-json.ts';

const SHA = 'ab'.repeat(32);

function file(filename: string, more: Partial<DistributionFile> = {}): DistributionFile {
  return { filename, hashes: { sha256: SHA }, ...more };
}

function page(versions: readonly string[], files: readonly DistributionFile[]): ProjectDetail {
  return { name: 'foo' as ProjectName, versions, files };
}

test('the files of a page are put into releases by the identity of their version', () => {
  const detail = page(
    ['1.0', '0.5'],
    ['foo-1.0.0.tar.gz', 'foo-1.0-py3-none-any.whl', 'foo-2004d.zip', 'README'].map((name) => file(name)),
  );
  assert.deepEqual(
    releasesOf(detail).map((release) => [release.version, release.files.map((each) => each.filename)]),
    [
      ['2004d', ['foo-2004d.zip']],
      ['0.5', []],
      ['1.0', ['foo-1.0.0.tar.gz', 'foo-1.0-py3-none-any.whl']],
    ],
  );
});

test('the release described is the newest that installers would choose', () => {
  const chosen = (files: readonly DistributionFile[], versions: readonly string[] = [], version?: string) =>
    describedRelease(releasesOf(page(versions, files)), version)?.version;
  assert.equal(chosen([file('foo-1.0.zip'), file('foo-2.0.zip', { yanked: true }), file('foo-3.0a1.zip')]), '1.0');
  assert.equal(chosen([file('foo-2.0.zip', { yanked: true }), file('foo-3.0a1.zip')]), '3.0a1');
  assert.equal(chosen([file('foo-2.0.zip', { yanked: true }), file('foo-3.0a1.zip', { yanked: 'x' })]), '2.0');
  assert.equal(chosen([], ['1.0', '2.0']), '2.0');
  assert.equal(chosen([]), undefined);
  assert.equal(chosen([file('foo-1.0.zip'), file('foo-2.0.zip')], [], '1.0.0'), '1.0');
  assert.equal(chosen([file('foo-1.0.zip')], [], '9'), undefined);
});

test('the document says what clients look for', () => {
  const detail = page(
    ['1.0', '2.0'],
    [
      file('foo-1.0.tar.gz', { yanked: 'bad', size: 5 }),
      file('foo-2.0.tar.gz'),
      file('foo-2.0-py3-none-any.whl', {
        size: 7,
        uploadTime: '2024-01-02T03:04:05.6Z',
        requiresPython: '>=3.9',
        coreMetadata: { sha256: SHA },
      }),
    ],
  );
  const releases = releasesOf(detail);
  const release = describedRelease(releases);
  assert.ok(release !== undefined);
  assert.equal(describingFile(release)?.filename, 'foo-2.0-py3-none-any.whl');
  const fileUrl = (each: DistributionFile): string => `https://here.example/simple/foo/${each.filename}`;
  const metadata = parseCoreMetadata(
    Buffer.from(
      'Name: Foo\nVersion: 2.0\nSummary: s\nRequires-Dist: bar>=1\nProject-URL: Source, https://src.example/\n\ntext',
    ),
  );
  const all = JSON.parse(renderLegacyJson({ detail, releases, release, scope: 'all', metadata, fileUrl }).toString());
  assert.equal(all.info.name, 'Foo');
  assert.equal(all.info.version, '2.0');
  assert.equal(all.info.requires_python, '>=3.9');
  assert.deepEqual(all.info.requires_dist, ['bar>=1']);
  assert.deepEqual(all.info.project_urls, { Source: 'https://src.example/' });
  assert.equal(all.info.yanked, false);
  assert.equal(all.info.description, 'text');
  assert.equal(all.last_serial, 0);
  assert.deepEqual(Object.keys(all.releases), ['1.0', '2.0']);
  assert.equal(all.releases['1.0'][0].yanked_reason, 'bad');
  assert.deepEqual(all.urls[1], {
    filename: 'foo-2.0-py3-none-any.whl',
    url: 'https://here.example/simple/foo/foo-2.0-py3-none-any.whl',
    packagetype: 'bdist_wheel',
    python_version: 'py3',
    digests: { sha256: SHA },
    md5_digest: null,
    size: 7,
    upload_time: '2024-01-02T03:04:05',
    upload_time_iso_8601: '2024-01-02T03:04:05.6Z',
    requires_python: '>=3.9',
    yanked: false,
    yanked_reason: null,
    has_sig: false,
    comment_text: '',
    downloads: -1,
    'core-metadata': { sha256: SHA },
  });
  const old = releases[0];
  assert.ok(old !== undefined);
  const one = JSON.parse(renderLegacyJson({ detail, releases, release: old, scope: 'one', fileUrl }).toString());
  assert.ok(!('releases' in one));
  assert.equal(one.info.yanked, true);
  assert.equal(one.info.yanked_reason, 'bad');
  assert.equal(one.info.requires_dist, null);
});
