import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { requirementsTxt } from '../../../server/mirroring/formats/requirements-txt.ts';
import type { Lock, LockChanges, LockFault } from '../../../server/mirroring/lock.ts';
import { Problem } from '../../../server/problem.ts';
import { pythonJudge } from '../../support/python.ts';

const A = 'aa'.repeat(32);
const B = 'bb'.repeat(32);
const COMMIT = '63dd9839f610b333a1221a98bbc444e679796ec5';

function read(content: string, parts?: Record<string, string>): Lock {
  return requirementsTxt.read({ name: 'requirements.txt', content, ...(parts === undefined ? {} : { parts }) });
}

function faults(content: string, parts?: Record<string, string>): readonly LockFault[] {
  try {
    read(content, parts);
  } catch (error) {
    assert.ok(error instanceof Problem && error.slug === 'malformed-request', String(error));
    const { errors } = error.members;
    assert.ok(Array.isArray(errors) && errors.length > 0);
    return errors as LockFault[];
  }
  return [];
}

function rewrite(content: string, changes: LockChanges): string {
  return requirementsTxt.rewrite({ name: 'requirements.txt', content }, changes).content;
}

const file = (sha256: string, filename = 'foo-1.0.zip') => ({
  filename,
  sha256,
  url: `https://here.example/${filename}`,
});
const archive = {
  kind: 'archive',
  url: 'https://here.example/sources/foo/foo-1.0.zip',
  filename: 'foo-1.0.zip',
  sha256: A,
} as const;

describe('a requirements file', () => {
  test('is read with pins, extras, markers and hashes', () => {
    const lock = read(`# a comment
Foo.Bar[more,x] == 1.0 ; python_version < "3.12" \\
    --hash=sha256:${A} \\
    --hash sha256:${B.toUpperCase()}  # why
baz>=2,<3
plain
old==1.0 --hash=sha512:${'c'.repeat(128)}
`);
    assert.deepEqual(lock.entries, [
      {
        place: 'line 2',
        project: 'foo-bar',
        version: '1.0',
        extras: ['more', 'x'],
        marker: 'python_version < "3.12"',
        source: { kind: 'index' },
        hashes: [A, B],
        files: [],
      },
      { place: 'line 5', project: 'baz', specifier: '>=2,<3', source: { kind: 'index' }, hashes: [], files: [] },
      { place: 'line 6', project: 'plain', source: { kind: 'index' }, hashes: [], files: [] },
      {
        place: 'line 7',
        project: 'old',
        version: '1.0',
        source: { kind: 'index' },
        hashes: [],
        otherHashes: [`sha512:${'c'.repeat(128)}`],
        files: [],
      },
    ]);
  });

  test('is read with addresses of every kind', () => {
    const lines: readonly (readonly [line: string, source: unknown, project?: string])[] = [
      [
        `foo @ https://host.example/foo-1.0.zip#sha256=${A}&subdirectory=py`,
        { kind: 'archive', url: 'https://host.example/foo-1.0.zip', sha256: A, subdirectory: 'py' },
        'foo',
      ],
      [
        'https://host.example/Foo_x-1.0-py3-none-any.whl ; os_name == "a"',
        { kind: 'archive', url: 'https://host.example/Foo_x-1.0-py3-none-any.whl' },
        'foo-x',
      ],
      ['https://host.example/archive/main.zip', { kind: 'archive', url: 'https://host.example/archive/main.zip' }],
      [
        'foo @ git+https://u:p@host.example/a/b.git@v1.0#subdirectory=x',
        { kind: 'vcs', system: 'git', url: 'https://u:p@host.example/a/b.git', ref: 'v1.0', subdirectory: 'x' },
        'foo',
      ],
      [
        `git+https://host.example/b.git@${COMMIT}#egg=foo`,
        { kind: 'vcs', system: 'git', url: 'https://host.example/b.git', ref: COMMIT, commit: COMMIT },
        'foo',
      ],
      [
        '-e git+ssh://git@host.example/b.git#egg=Foo[more]',
        { kind: 'vcs', system: 'git', url: 'ssh://git@host.example/b.git' },
        'foo',
      ],
      [
        '-e "foo[more] @ git+https://host.example/b.git@main ; os_name == \'a\'"',
        { kind: 'vcs', system: 'git', url: 'https://host.example/b.git', ref: 'main' },
        'foo',
      ],
      ['-e "foo @ file:///src/foo"', { kind: 'local', what: 'foo @ file:///src/foo' }],
      ['foo @ hg+http://host.example/b', { kind: 'vcs', system: 'hg', url: 'http://host.example/b' }, 'foo'],
      ['-e .', { kind: 'local', what: '.' }],
      ['--editable=./sub[extra]', { kind: 'local', what: './sub[extra]' }],
      ['./foo-1.0.zip', { kind: 'local', what: './foo-1.0.zip' }],
      ['dist/foo-1.0.tar.gz', { kind: 'local', what: 'dist/foo-1.0.tar.gz' }],
      ['foo-1.0.tar.gz', { kind: 'local', what: 'foo-1.0.tar.gz' }],
      ['C:\\dist\\foo.zip', { kind: 'local', what: 'C:\\dist\\foo.zip' }],
      ['foo @ file:///tmp/foo.zip', { kind: 'local', what: 'file:///tmp/foo.zip' }, 'foo'],
    ];
    for (const [line, source, project] of lines) {
      const entry = read(line).entries[0];
      assert.deepEqual(entry?.source, source, line);
      assert.equal(entry?.project, project, line);
    }
  });

  test('tells about options that are not followed', () => {
    const lock = read(
      '--index-url https://index.example/simple\n-f https://links.example/\n--pre\n--only-binary :all:\n--require-hashes\nfoo==1',
    );
    assert.deepEqual(
      lock.notes.map((note) => note.place),
      ['line 1', 'line 2', 'line 3'],
    );
    assert.match(lock.notes[0]?.detail ?? '', /^--index-url names an index/);
  });

  test('may refer to parts that were sent along, and to nothing else', () => {
    const parts = {
      'base.txt': 'base==1\n-r sub/more.txt\n',
      'sub/more.txt': 'more==1\n-c ../limits.txt',
      'limits.txt': 'limit==1\n-r base.txt',
    };
    const lock = read('first==1\n-r base.txt\nlast==1\n', parts);
    assert.deepEqual(
      lock.entries.map((entry) => [entry.project, entry.place, entry.isConstraint ?? false]),
      [
        ['first', 'line 1', false],
        ['base', 'base.txt line 1', false],
        ['more', 'sub/more.txt line 1', false],
        ['limit', 'limits.txt line 1', true],
        ['last', 'line 3', false],
      ],
    );
    for (const name of [
      '/etc/passwd',
      '../x.txt',
      'https://host.example/x.txt',
      'other.txt',
      'C:\\x.txt',
      '~/x',
      'sub/../../x',
      '__proto__',
      'constructor',
    ]) {
      assert.deepEqual(
        faults(`a==1\n-r ${name}`, parts),
        [{ pointer: 'line 2', detail: `it refers to ${name}, which was not sent along` }],
        name,
      );
    }
    assert.equal(faults('-r a.txt', { 'a.txt': '-r b.txt' })[0]?.pointer, 'a.txt line 1');
  });

  test('that is faulty says where, all faults at once', () => {
    assert.deepEqual(
      faults(
        'ok==1\nfoo==$' +
          '{VERSION}\nbar = 1\n--hash=sha256:aa\n--frobnicate\nbaz==1 --hash=sha256:aa\nqux==1 --hash=md5:00\n-e\nx @ ftp://host.example/x\n',
      ).map((fault) => fault.pointer),
      ['line 2', 'line 3', 'line 4', 'line 5', 'line 6', 'line 7', 'line 8', 'line 9'],
    );
    assert.deepEqual(faults('foo==1\\\n  $'), [
      { pointer: 'line 1', detail: 'expected a version specifier, "@", ";" or the end, at "$"' },
    ]);
  });

  test('hides nothing behind odd ends of lines', () => {
    for (const end of ['\r', '\r\n', '\f', '\v', '\u2028', '\u0085']) {
      assert.deepEqual(
        read(`a==1 # note${end}b==2`).entries.map((entry) => entry.project),
        ['a', 'b'],
        JSON.stringify(end),
      );
    }
    assert.equal(read('\ufeffa==1').entries[0]?.project, 'a');
    assert.equal(read('a==1 # $' + '{HOME}').entries.length, 1, 'a comment is cut off first');
  });
});

describe('a rewritten requirements file', () => {
  const content = `\ufeff# locked\r\n--index-url https://index.example/simple\r\nfoo==1.0 ; os_name == "a"  # keep\r\nbar==2 \\\r\n    --hash=sha256:${B}\r\n    # via x\r\nsrc[a] @ git+https://git.example/s.git@main ; os_name == "b"\r\n`;

  test('without changes is the same, byte for byte', () => {
    assert.equal(rewrite(content, {}), content);
  });

  test('gets hashes, new sources and new indexes where they are wanted', () => {
    const changed = rewrite(content, {
      files: new Map([
        [0, [file(B), file(A)]],
        [1, [file(A)]],
      ]),
      sources: new Map([[2, archive]]),
      indexUrl: () => 'https://here.example/simple/',
    });
    assert.equal(
      changed,
      `\ufeff# locked\r\n--index-url https://here.example/simple/\r\nfoo==1.0 ; os_name == "a" \\\r\n    --hash=sha256:${A} \\\r\n    --hash=sha256:${B}  # keep\r\nbar==2 \\\r\n    --hash=sha256:${B}\r\n    # via x\r\nsrc[a] @ ${archive.url}#sha256=${A} ; os_name == "b"\r\n`,
    );
    assert.deepEqual(
      read(changed).entries.map((entry) => entry.hashes),
      [[A, B], [B], [A]],
    );
  });

  test('replaces the address of an index together with the quotes around it', () => {
    const locked = `--index-url="https://a.example/"\n-i'https://b.example/' --pre\n-i "https://c.example/"\nfoo==1\n`;
    assert.equal(
      rewrite(locked, { indexUrl: () => 'https://here.example/' }),
      '--index-url=https://here.example/\n-ihttps://here.example/ --pre\n-i https://here.example/\nfoo==1\n',
    );
  });

  test('does without pages of files elsewhere, where that is wanted', () => {
    const locked = '-f https://links.example/a.html  # cpu\n--find-links ./wheels -f "https://b.example/"\nfoo==1\n';
    assert.equal(rewrite(locked, { withoutLinks: true }), '  # cpu\n--find-links ./wheels \nfoo==1\n');
    assert.equal(rewrite(locked, {}), locked);
  });

  test('names the project of an address that had none', () => {
    const sources = new Map([[0, archive]]);
    assert.equal(rewrite('git+https://git.example/s.git#egg=foo', { sources }), `foo @ ${archive.url}#sha256=${A}`);
    assert.equal(
      rewrite('-e git+https://git.example/s.git#egg=foo # x', { sources }),
      `foo @ ${archive.url}#sha256=${A} # x`,
    );
    for (const fragment of ['egg=foo[more,x]', 'subdirectory=py&egg=foo[more,x]']) {
      assert.equal(
        rewrite(`-e git+https://git.example/s.git#${fragment}`, { sources }),
        `foo[more,x] @ ${archive.url}#sha256=${A}`,
      );
    }
    assert.equal(
      rewrite(`-e "Foo[more] @ git+https://git.example/s.git ; os_name == 'a'"  # x`, { sources }),
      `Foo[more] @ ${archive.url}#sha256=${A} ; os_name == 'a'  # x`,
    );
    assert.equal(
      rewrite('https://git.example/main.zip ; os_name == "a"', { sources }),
      `foo @ ${archive.url}#sha256=${A} ; os_name == "a"`,
    );
    assert.equal(
      rewrite('https://git.example/main.zip', { sources: new Map([[0, { ...archive, filename: 'main.zip' }]]) }),
      `${archive.url}#sha256=${A}`,
    );
  });

  test('goes back to version control, which pip allows no hashes for', () => {
    const vcs = {
      kind: 'vcs',
      system: 'git',
      url: 'https://git.example/s.git',
      commit: COMMIT,
      subdirectory: 'py',
    } as const;
    const locked = `foo @ ${archive.url}#sha256=${A} ; os_name == "a" \\\n    --hash=sha256:${A} \\\n    --hash=sha256:${B}  # x\n`;
    assert.equal(
      rewrite(locked, { sources: new Map([[0, vcs]]) }),
      `foo @ git+https://git.example/s.git@${COMMIT}#subdirectory=py ; os_name == "a"  # x\n`,
    );
  });

  test('maps addresses of archives and keeps their fragments', () => {
    const fileUrl = (url: string): string => url.replace('host.example', 'mirror.example');
    assert.equal(
      rewrite(`foo @ https://host.example/f.zip#sha256=${A}`, { fileUrl }),
      `foo @ https://mirror.example/f.zip#sha256=${A}`,
    );
    assert.equal(
      rewrite('foo @ https://host.example/f.zip ; os_name == "a"', { fileUrl }),
      'foo @ https://mirror.example/f.zip ; os_name == "a"',
    );
  });

  test('has its parts rewritten as well', () => {
    const text = {
      name: 'requirements.txt',
      content: '-r base.txt\na==1\n',
      parts: { 'base.txt': 'b==1\n', 'unused.txt': 'x' },
    };
    const changed = requirementsTxt.rewrite(text, {
      files: new Map([
        [0, [file(A)]],
        [1, [file(B)]],
      ]),
    });
    assert.equal(changed.content, `-r base.txt\na==1 \\\n    --hash=sha256:${B}\n`);
    assert.deepEqual(changed.parts, { 'base.txt': `b==1 \\\n    --hash=sha256:${A}\n`, 'unused.txt': 'x' });
  });
});

test('files made to be slow are answered', { timeout: 60_000 }, () => {
  const pieces = [
    ' ',
    '\\',
    '\\\n',
    '#',
    ' #',
    '"',
    `'"`,
    '--hash=',
    'a \\\n',
    '-r x\n',
    '$' + '{A}',
    '[',
    ';',
    '@',
    ' -e',
    'a==1 \\\n --hash=sha256:aa',
  ];
  for (const piece of pieces) {
    faults(`a==1 ${piece.repeat(50_000)}`);
    faults(piece.repeat(50_000));
  }
});

const judge = pythonJudge();
test('lines, judged by pip', { skip: judge.skip }, () => {
  if (judge.skip !== false) return;
  const contents = [
    'a==1\\\n  ; os_name == "x"\nb',
    'a==1 \\\n# comment\nb==1',
    'a==1 # c \\\nb==1',
    'a==1\\',
    '  a==1  \n\n\n\tb==1\t# x',
    'a @ https://host.example/x.zip#sha256=00 # c',
    `a==1 --hash=sha256:${A}\\\n --hash sha256:${B}`,
    '-e git+https://host.example/x#egg=y\n--editable=.',
    '\\\na==1',
    'a==1\\\\\n.5',
    '# only \\\na==1',
    'a==1\u2028b==1',
    'a==1\fb==1',
    'a==1 --config-settings="x=y z"',
  ];
  const folder = mkdtempSync(join(tmpdir(), 'requirements-'));
  try {
    const paths = contents.map((content, i) => {
      const path = join(folder, `${i}.txt`);
      writeFileSync(path, content);
      return path;
    });
    const verdicts = judge.ask(
      `
from pip._internal.req.req_file import parse_requirements
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.exceptions import InstallationError
def show(r):
    if r.requirement == ".": return [".", 0]
    q = install_req_from_parsed_requirement(r)
    known = q.hashes(trust_internet=False)
    return [q.name, len(known._allowed.get("sha256", []))]
def judge(path):
    try:
        return [show(r) for r in parse_requirements(path, session=None)]
    except InstallationError:
        return None
result = [judge(p) for p in data]`,
      paths,
    );
    const ours = contents.map((content) =>
      faults(content).length > 0
        ? null
        : read(content).entries.map((entry) => [
            entry.source.kind === 'local' ? '.' : entry.project,
            entry.hashes.length,
          ]),
    );
    assert.deepEqual(ours, verdicts);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
