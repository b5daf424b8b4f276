import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProjectName } from '../../../server/model/project-name.ts';
import type { KnownFile, KnownPage } from '../../../server/repository/known-page.ts';
import { type Holdings, viewPage } from '../../../server/repository/view-page.ts';
import { type Digest, parseDigest } from '../../../storage/digest.ts';

const name = parseProjectName('demo');
const digest = (letter: string): Digest => {
  const parsed = parseDigest(letter.repeat(64));
  assert.ok(parsed);
  return parsed;
};
const file = (version: string, more: Partial<KnownFile> = {}): KnownFile => ({
  filename: `demo-${version}-py3-none-any.whl`,
  hashes: { sha256: digest('a') },
  uploadTime: `2024-0${version[0]}-01T00:00:00Z`,
  url: 'https://files.example/x',
  coreMetadata: { sha256: 'announced' },
  ...more,
});
const known = (...files: KnownFile[]): KnownPage => ({ name, status: 'active', versions: ['1.0', '2.0'], files });
const nothing: Holdings = { files: new Map(), metadata: new Map() };
const holding = (filename: string): Holdings => ({
  files: new Map([[filename, { digest: digest('b'), size: 7 }]]),
  metadata: new Map([[filename, digest('c')]]),
});
const live = { offline: false };
const parts = { status: 'active', holdings: nothing, view: live, outage: undefined } as const;

test('without an outage the page says what upstream said', () => {
  const page = viewPage(known(file('1.0', { yanked: 'bad' }), file('2.0')), parts);
  assert.deepEqual(
    page.files.map(({ yanked, coreMetadata }) => ({ yanked, coreMetadata })),
    [
      { yanked: 'bad', coreMetadata: { sha256: 'announced' } },
      { yanked: undefined, coreMetadata: { sha256: 'announced' } },
    ],
  );
  assert.deepEqual(page.versions, ['1.0', '2.0']);
});

test('in an outage what is not stored is yanked with the reason, and what is stored is not', () => {
  const one = file('1.0');
  const since = Date.UTC(2026, 0, 2, 3, 4, 5);
  const page = viewPage(known(one, file('2.0')), {
    ...parts,
    holdings: holding(one.filename),
    outage: { repository: 'pypi', since },
  });
  assert.equal(page.files[0]?.yanked, undefined);
  assert.equal(page.files[1]?.yanked, 'not stored here, and pypi has not answered since 2026-01-02T03:04:05Z');
  assert.equal(page.files[1]?.coreMetadata, undefined, 'nothing is announced that cannot be had');
  assert.equal(page.files.length, 2, 'a lock made meanwhile lists every file and hash');
});

test('in an outage, of a project of which nothing is stored, what core metadata are kept of can be locked again', () => {
  const outage = { repository: 'pypi', since: 0 };
  const [one, two] = [file('1.0', { yanked: 'bad' }), file('2.0')];
  const metadata = new Map([
    [one.filename, digest('c')],
    [two.filename, digest('d')],
  ]);
  const page = viewPage(known(one, two, file('3.0')), { ...parts, holdings: { files: new Map(), metadata }, outage });
  assert.deepEqual(
    page.files.map(({ yanked }) => yanked),
    ['bad', undefined, 'not stored here, and pypi has not answered since 1970-01-01T00:00:00Z'],
  );
  assert.deepEqual(page.files[1]?.coreMetadata, { sha256: digest('d') });

  const { files } = holding(one.filename);
  const held = viewPage(known(one, two), { ...parts, holdings: { files, metadata }, outage });
  assert.match(String(held.files[1]?.yanked), /^not stored/, 'something can be had');
});

test('in an outage, for who takes releases whole, one of which a file is stored is yanked in none', () => {
  const source = { ...file('1.0'), filename: 'demo-1.0.0.tar.gz' };
  const [one, two] = [file('1.0'), file('2.0')];
  const asked = {
    ...parts,
    view: { offline: false, releases: 'whole' },
    outage: { repository: 'pypi', since: 0 },
  } as const;
  const page = viewPage(known(one, source, two), { ...asked, holdings: holding(one.filename) });
  assert.deepEqual(
    page.files.map(({ yanked }) => yanked === undefined),
    [true, true, false],
  );
  const unstored = viewPage(known(one, source, two), {
    ...asked,
    holdings: { files: new Map(), metadata: new Map([[two.filename, digest('c')]]) },
  });
  assert.deepEqual(
    unstored.files.map(({ yanked }) => yanked === undefined),
    [false, false, true],
  );
});

test('what is stored is listed with the digest, size and metadata that are served', () => {
  const one = file('1.0');
  const [listed] = viewPage(known(one), { ...parts, holdings: holding(one.filename) }).files;
  assert.deepEqual(listed?.hashes, { sha256: digest('b') });
  assert.equal(listed?.size, 7);
  assert.deepEqual(listed?.coreMetadata, { sha256: digest('c') });
});

test('offline lists only what is stored, and only its versions', () => {
  const one = file('1.0');
  const page = viewPage(known(one, file('2.0')), {
    ...parts,
    holdings: holding(one.filename),
    view: { offline: true },
  });
  assert.deepEqual(
    page.files.map((listed) => listed.filename),
    [one.filename],
  );
  assert.deepEqual(page.versions, ['1.0']);
});

test('at an instant: uploaded later is hidden, and so is what has no time', () => {
  const at = Date.parse('2024-01-01T00:00:00Z');
  const { uploadTime: _, ...timeless } = file('3.0');
  const page = viewPage(known(file('1.0'), file('2.0'), timeless), { ...parts, view: { offline: false, at } });
  assert.deepEqual(page.versions, ['1.0']);
});

test('removed upstream: listed as yanked with the day; quarantined: nothing is listed', () => {
  const removedAt = Date.UTC(2026, 4, 6);
  const one = file('1.0', { removedAt });
  assert.equal(
    viewPage(known(one), { ...parts, holdings: holding(one.filename) }).files[0]?.yanked,
    'removed upstream on 2026-05-06',
  );
  assert.deepEqual(viewPage(known(one), { ...parts, status: 'quarantined' }).files, []);
});
