import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type Lock,
  type LockChanges,
  type LockText,
  lacksHash,
  type NewSource,
} from '../../../server/mirroring/lock.ts';
import { lockFormat, readLock, rewriteLock } from '../../../server/mirroring/lock-formats.ts';
import { Problem } from '../../../server/problem.ts';
import { SAMPLE_LOCKS, sampleLock } from '../../support/locks.ts';

const A = 'aa'.repeat(32);
const COMMIT = '63dd9839f610b333a1221a98bbc444e679796ec5';

const ARCHIVE: NewSource = {
  kind: 'archive',
  url: 'https://here.example/sources/storm-git/storm_git-0.7.tar.gz',
  filename: 'storm_git-0.7.tar.gz',
  sha256: A,
  size: 7,
};

function indexOf(lock: Lock, project: string): number {
  const index = lock.entries.findIndex((entry) => entry.project === project);
  assert.notEqual(index, -1, project);
  return index;
}

/** Lines that one text has and the other does not. */
function difference(
  before: string,
  after: string,
): { readonly gone: readonly string[]; readonly come: readonly string[] } {
  const [a, b] = [before.split('\n'), after.split('\n')];
  return { gone: a.filter((line) => !b.includes(line)), come: b.filter((line) => !a.includes(line)) };
}

test('the file name tells the format', () => {
  const names: readonly (readonly [string, string | undefined])[] = [
    ['requirements.txt', 'requirements-txt'],
    ['requirements/dev.txt', 'requirements-txt'],
    ['constraints.in', 'requirements-txt'],
    ['pylock.toml', 'pylock'],
    ['sub\\pylock.dev.toml', 'pylock'],
    ['uv.lock', 'uv-lock'],
    ['a/b/poetry.lock', 'poetry-lock'],
    ['Pipfile.lock', 'pipfile-lock'],
    ['pdm.lock', 'pdm-lock'],
    ['pdm.static.lock', 'pdm-lock'],
    ['Cargo.lock', undefined],
    ['pylock.a.b.toml', undefined],
    ['', undefined],
  ];
  for (const [name, format] of names) assert.equal(lockFormat(name), format, name);
  assert.throws(() => readLock({ name: 'Cargo.lock', content: '' }), { slug: 'malformed-request' });
});

describe('the locks that real tools wrote', () => {
  test('tell the same of one application', () => {
    for (const name of SAMPLE_LOCKS) {
      const lock = readLock(sampleLock(name));
      const base = lock.entries[indexOf(lock, 'storm-base')];
      assert.equal(base?.version, '1.1', name);
      assert.equal(base?.source.kind, 'index', name);
      const wheel = '46e8fed16e6bd089f6476192d9591b14e37f4bfc5019500a7aa38ce296a2dd5b';
      const sdist = '4bcdd4a3efe7a0becbf0c3276806233602e8968a17db9874ac7681349d1a3571';
      assert.deepEqual(base?.hashes.toSorted(), name === 'pylock.pip.toml' ? [wheel] : [wheel, sdist], name);
      assert.equal(base !== undefined && lacksHash(base), false, name);
      if (lock.format !== 'requirements-txt' && lock.format !== 'pipfile-lock') {
        assert.ok(
          base?.files.some((file) => file.filename === 'storm_base-1.1-py3-none-any.whl'),
          name,
        );
      }
      if (name === 'requirements-piptools.txt' || name === 'pylock.pip.toml') continue;
      const git = lock.entries[indexOf(lock, 'storm-git')]?.source;
      assert.ok(git?.kind === 'vcs', name);
      assert.deepEqual(
        [git.system, git.url, git.commit],
        ['git', 'https://git.example/acme/storm-git.git', COMMIT],
        name,
      );
      const url = lock.entries[indexOf(lock, 'storm-urlwheel')]?.source;
      assert.equal(
        url?.kind === 'archive' && url.url,
        'https://files.example/storm_urlwheel-0.8-py3-none-any.whl',
        name,
      );
    }
  });

  test('have what only some of them say', () => {
    const uv = readLock(sampleLock('uv.lock'));
    assert.equal(uv.entries[indexOf(uv, 'app')]?.source.kind, 'local');
    const native = uv.entries[indexOf(uv, 'storm-native')];
    assert.deepEqual(native?.source, { kind: 'index', index: 'https://index.example/simple/' });
    assert.equal(native?.files[0]?.size, 346);
    const pylock = readLock(sampleLock('pylock.uv.toml'));
    assert.equal(pylock.entries[indexOf(pylock, 'colour-thing')]?.marker, "sys_platform == 'win32'");
    const pipfile = readLock(sampleLock('Pipfile.lock'));
    assert.equal(pipfile.entries[indexOf(pipfile, 'storm-native')]?.place, '/default/storm-native');
    assert.deepEqual(pipfile.entries[indexOf(pipfile, 'storm-web')]?.extras, ['more']);
    assert.deepEqual(pipfile.entries[indexOf(pipfile, 'storm-native')]?.source, {
      kind: 'index',
      index: 'https://index.example/simple',
    });
    const poetry = readLock(sampleLock('poetry.lock'));
    assert.deepEqual(poetry.entries[indexOf(poetry, 'storm-web')]?.source, {
      kind: 'index',
      index: 'https://index.example/simple',
    });
  });

  test('come back byte for byte when nothing is to change', () => {
    for (const name of SAMPLE_LOCKS) {
      const text = sampleLock(name);
      assert.deepEqual(rewriteLock(text, {}), text, name);
      assert.deepEqual(rewriteLock(text, { fileUrl: (url) => url, indexUrl: (url) => url }), text, name);
      const windows = { ...text, content: text.content.replaceAll('\n', '\r\n') };
      assert.deepEqual(rewriteLock(windows, {}), windows, name);
    }
  });

  test('have addresses mapped, and back again', () => {
    const to = (url: string): string =>
      url.replace('files.example/', 'here.example/f/').replace('index.example/', 'here.example/i/');
    const from = (url: string): string =>
      url.replace('here.example/f/', 'files.example/').replace('here.example/i/', 'index.example/');
    for (const name of SAMPLE_LOCKS) {
      const text = sampleLock(name);
      const there = rewriteLock(text, { fileUrl: to, indexUrl: to });
      const command = name === 'requirements-piptools.txt' ? /^# .*$/gm : /^\0/g;
      const metadata = name === 'uv.lock' ? /^ {4}\{ name = .*\burl = .*$/gm : /^\0/g;
      const rest = there.content.replace(command, '').replace(metadata, (line) => (line.includes('hash') ? line : ''));
      assert.ok(!/(?:files|index)\.example/.test(rest), `${name}: ${rest}`);
      assert.deepEqual(rewriteLock(there, { fileUrl: from, indexUrl: from }), text, name);
    }
  });

  test('have them mapped where pdm before 2.8 put the files of all packages', () => {
    const url = 'https://files.example/a-1.0-py3-none-any.whl';
    const content = `[[package]]
name = "a"
version = "1.0"

[[package]]
name = "a"
version = "1.0"
extras = ["more"]

[metadata]
lock_version = "4.2"

[metadata.files]
"a 1.0" = [
    {url = "${url}", hash = "sha256:${'aa'.repeat(32)}"},
]
`;
    const mapped = rewriteLock({ name: 'pdm.lock', content }, { fileUrl: (at) => at.replace('files', 'here') });
    assert.equal(mapped.content, content.replace(url, url.replace('files', 'here')));
  });

  test('of poetry before 1.3 get the hash of an archive where they have the files of all packages', () => {
    const git = `[[package]]
name = "storm-git"
version = "1"

[package.source]
type = "git"
url = "https://git.example/s.git"
reference = "main"
resolved_reference = "${'a'.repeat(40)}"

`;
    const content = `${git}${git.replace('main', 'other')}[metadata]
lock-version = "1.1"

[metadata.files]
storm-git = []
`;
    const sources = new Map([0, 1].map((i) => [i, ARCHIVE] as const));
    const changed = rewriteLock({ name: 'poetry.lock', content }, { sources });
    assert.match(changed.content, /\nstorm-git = \[\n {4}\{file = "[^"]+", hash = "sha256:\w+"\},\n\]\n$/);
    assert.deepEqual(
      readLock(changed).entries.map(({ hashes }) => hashes.length),
      [1, 1],
    );
  });

  test('point to an archive where they named a repository, and back again', () => {
    for (const name of SAMPLE_LOCKS) {
      if (name === 'requirements-piptools.txt' || name === 'pylock.pip.toml') continue;
      const text = sampleLock(name);
      const before = readLock(text);
      const index = indexOf(before, 'storm-git');
      const changed = rewriteLock(text, { sources: new Map([[index, ARCHIVE]]) });
      const after = readLock(changed);
      assert.deepEqual(
        after.entries.map((entry) => entry.project),
        before.entries.map((entry) => entry.project),
        name,
      );
      const entry = after.entries[index];
      assert.ok(entry !== undefined);
      assert.deepEqual(entry.source, { kind: 'archive', url: ARCHIVE.url, sha256: A }, name);
      assert.deepEqual(entry.hashes, [A], name);
      assert.equal(lacksHash(entry), false, name);
      assert.deepEqual(
        after.entries.toSpliced(index, 1),
        before.entries
          .toSpliced(index, 1)
          .map((each, i) => ({ ...each, place: after.entries.toSpliced(index, 1)[i]?.place })),
        name,
      );
      const back: NewSource = {
        kind: 'vcs',
        system: 'git',
        url: 'https://git.example/acme/storm-git.git',
        commit: COMMIT,
        ref: 'v0.7',
      };
      const again = readLock(rewriteLock(changed, { sources: new Map([[index, back]]) })).entries[index];
      assert.equal(again?.source.kind === 'vcs' && again.source.commit, COMMIT, name);
      assert.deepEqual(again?.hashes, [], name);
    }
  });
});

describe('what a rewritten lock looks like', () => {
  const changesFor = (text: LockText): LockChanges => ({
    sources: new Map([[indexOf(readLock(text), 'storm-git'), ARCHIVE]]),
  });
  const shownFor = (name: (typeof SAMPLE_LOCKS)[number]) => {
    const text = sampleLock(name);
    return difference(text.content, rewriteLock(text, changesFor(text)).content);
  };

  test('of uv', () => {
    assert.deepEqual(shownFor('uv.lock'), {
      gone: [`source = { git = "https://git.example/acme/storm-git.git?tag=v0.7#${COMMIT}" }`],
      come: [`source = { url = "${ARCHIVE.url}" }`, `sdist = { hash = "sha256:${A}", size = 7 }`],
    });
  });

  test('of the standard', () => {
    assert.deepEqual(shownFor('pylock.uv.toml').come, [
      `archive = { url = "${ARCHIVE.url}", size = 7, hashes = { sha256 = "${A}" } }`,
    ]);
  });

  test('of poetry', () => {
    assert.deepEqual(shownFor('poetry.lock'), {
      gone: [
        'files = []',
        'type = "git"',
        'url = "https://git.example/acme/storm-git.git"',
        'reference = "v0.7"',
        `resolved_reference = "${COMMIT}"`,
      ],
      come: [`    {file = "storm_git-0.7.tar.gz", hash = "sha256:${A}"},`, `url = "${ARCHIVE.url}"`],
    });
  });

  test('of pdm', () => {
    assert.deepEqual(shownFor('pdm.lock'), {
      gone: ['git = "https://git.example/acme/storm-git.git"', 'ref = "v0.7"', `revision = "${COMMIT}"`],
      come: [`url = "${ARCHIVE.url}"`, `    {file = "storm_git-0.7.tar.gz", hash = "sha256:${A}"},`],
    });
  });

  test('of pipenv', () => {
    assert.deepEqual(shownFor('Pipfile.lock'), {
      gone: ['            "git": "https://git.example/acme/storm-git.git",', `            "ref": "${COMMIT}"`],
      come: [`            "file": "${ARCHIVE.url}",`, `                "sha256:${A}"`, '            ]'],
    });
    const text = sampleLock('Pipfile.lock');
    const at = indexOf(readLock(text), 'storm-git');
    const below = rewriteLock(text, { sources: new Map([[at, { ...ARCHIVE, subdirectory: 'a/b' }]]) });
    assert.ok(below.content.includes(`"file": "${ARCHIVE.url}#subdirectory=a/b"`), below.content);
    const again = readLock(below).entries[at]?.source;
    assert.deepEqual(again, { kind: 'archive', url: ARCHIVE.url, sha256: A, subdirectory: 'a/b' });
  });
});

describe('missing hashes are added', () => {
  const known = [{ filename: 'foo-1.0.tar.gz', sha256: A, url: 'https://here.example/foo-1.0.tar.gz' }];
  const changes: LockChanges = { files: new Map([[0, known]]) };
  const url = 'https://files.example/foo-1.0.tar.gz';
  const cases: readonly (readonly [name: string, before: string, after: string])[] = [
    [
      'uv.lock',
      `version = 1\n[[package]]\nname = "foo"\nversion = "1.0"\nsource = { registry = "https://i.example/simple" }\nsdist = { url = "${url}", size = 3 } # c\n`,
      `size = 3, hash = "sha256:${A}" } # c`,
    ],
    [
      'pylock.toml',
      `lock-version = "1.0"\n[[packages]]\nname = "foo"\nsdist = { url = "${url}" }\n`,
      `sdist = { url = "${url}", hashes = { sha256 = "${A}" } }`,
    ],
    [
      'pylock.toml',
      `lock-version = "1.0"\n[[packages]]\nname = "foo"\nsdist = { url = "${url}", hashes = {} }\n`,
      `hashes = { sha256 = "${A}" } }`,
    ],
    [
      'pylock.toml',
      `lock-version = "1.0"\n[[packages]]\nname = "foo"\n[packages.sdist]\nurl = "${url}"\n[packages.sdist.hashes]\nmd5 = "00"\n`,
      `[packages.sdist.hashes]\nmd5 = "00"\nsha256 = "${A}"\n`,
    ],
    [
      'pylock.toml',
      `lock-version = "1.0"\n[[packages]]\nname = "foo"\n[packages.sdist]\nurl = "${url}"\n`,
      `url = "${url}"\nhashes = { sha256 = "${A}" }\n`,
    ],
    [
      'poetry.lock',
      '[[package]]\nname = "foo"\nversion = "1.0"\nfiles = []\n',
      `files = [\n    {file = "foo-1.0.tar.gz", hash = "sha256:${A}"},\n]\n`,
    ],
    [
      'pdm.lock',
      '[[package]]\nname = "foo"\nversion = "1.0"',
      `version = "1.0"\nfiles = [\n    {file = "foo-1.0.tar.gz", hash = "sha256:${A}"},\n]\n`,
    ],
    [
      'Pipfile.lock',
      '{\n    "_meta": {},\n    "default": {\n        "foo": {\n            "version": "==1.0"\n        }\n    }\n}\n',
      `        "foo": {\n            "hashes": [\n                "sha256:${A}"\n            ],\n            "version": "==1.0"\n        }`,
    ],
  ];

  for (const [name, before, after] of cases) {
    test(`in ${name}`, () => {
      const lock = readLock({ name, content: before });
      assert.equal(lock.entries[0] !== undefined && lacksHash(lock.entries[0]), true);
      const { content } = rewriteLock({ name, content: before }, changes);
      assert.ok(content.includes(after), content);
      const again = readLock({ name, content }).entries[0];
      assert.equal(again !== undefined && lacksHash(again), false);
      assert.deepEqual(rewriteLock({ name, content }, changes).content, content, 'once is enough');
    });
  }
});

test('a faulty lock says where', () => {
  const cases: readonly (readonly [name: string, content: string, pointers: readonly string[]])[] = [
    ['uv.lock', 'version = 1\n[[package]]\nname = \n', ['line 3']],
    [
      'uv.lock',
      'version = 2\n[[package]]\nname = "a b"\nversion = 1\n',
      ['/version', '/package/0/name', '/package/0/version', '/package/0/source'],
    ],
    ['uv.lock', 'version = 1\npackage = 5\n', ['/package']],
    [
      'uv.lock',
      'version = 1\n[[package]]\nname = "a"\nsource = { registry = "https://i.example" }\nsdist = { hash = "sha256:00", size = -1 }\n',
      ['/package/0/sdist/hash', '/package/0/sdist/size'],
    ],
    ['pylock.toml', 'lock-version = "2.0"\npackages = [1]\n', ['/lock-version', '/packages/0']],
    ['poetry.lock', '', ['/metadata']],
    ['pdm.lock', '# nothing\n', ['/metadata']],
    [
      'poetry.lock',
      '[metadata]\nlock-version = "3.0"\n[[package]]\nname = "a"\n[package.source]\ntype = "svn"\n',
      ['/metadata/lock-version', '/package/0/version', '/package/0/source/url', '/package/0/source/type'],
    ],
    [
      'pdm.lock',
      '[metadata]\nlock_version = "5.0"\n[[package]]\nname = "a"\nfiles = [{hash = "x"}]\n',
      ['/metadata/lock_version', '/package/0/files/0/hash', '/package/0/files/0/file'],
    ],
    ['Pipfile.lock', '{"_meta": {},\n "default": {"a": 1, "b c": {}}}', ['/default/a', '/default/b c/name']],
    ['Pipfile.lock', '{"_meta": {},\n\n "default": }', ['line 3']],
    ['Pipfile.lock', '{"_meta": {},', ['line 1']],
    ['Pipfile.lock', '[]', ['/_meta']],
    ['Pipfile.lock', '{"packages": []}', ['/_meta']],
  ];
  for (const [name, content, pointers] of cases) {
    assert.throws(
      () => readLock({ name, content }),
      (error: unknown) => {
        assert.ok(
          error instanceof Problem && error.slug === 'malformed-request' && Array.isArray(error.members.errors),
          String(error),
        );
        assert.deepEqual(
          error.members.errors.map((fault: { pointer: string }) => fault.pointer),
          pointers,
          content,
        );
        return true;
      },
    );
  }
});
