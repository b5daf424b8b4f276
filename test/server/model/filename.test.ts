import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  contentTypeOf,
  distributionOf,
  parseSdistFilename,
  parseWheelFilename,
  safeFilename,
} from '../../../server/model/filename.ts';
import { parseProjectName, projectName } from '../../../server/model/project-name.ts';
import { pythonJudge } from '../../support/python.ts';

const WHEELS = [
  'foo-1.0-py3-none-any.whl',
  'Foo.Bar_baz-1.0.0-1-py2.py3-none-any.whl',
  'foo-1.0-1000abc-py3-none-any.whl',
  'demo_loc-1!2.0+cpu.1-py3-none-any.whl',
  'foo-1.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
  'foo-1.0-cp38.cp39-abi3.none-macosx_10_9_x86_64.win_amd64.whl',
  'FOO-1.0-PY3-NONE-ANY.whl',
  'foo-1.0a-py3-none-any.whl',
  'foo__bar-1.0-py3-none-any.whl',
  'foo-bar-1.0-py3-none-any.whl',
  'foo-1.0-none-any.whl',
  'foo-1.0-x1-py3-none-any.whl',
  'foo-1.0-1-2-py3-none-any.whl',
  'foo-1.0_1-py3-none-any.whl',
  'foo-nope-py3-none-any.whl',
  'foo-1.0-py3-none-any.WHL',
  'foo-1.0-py3-none-any.zip',
  '.whl',
  '-1.0-py3-none-any.whl',
];

const SDISTS = [
  'foo-1.0.tar.gz',
  'python-dateutil-2.8.2.tar.gz',
  'Foo_Bar-1.0.0.zip',
  'foo-1.0.tar.bz2',
  'foo1.0.tar.gz',
  'foo-nope.tar.gz',
  'foo-1!2.0+cpu.1.tar.gz',
  'foo-1.0-1.tar.gz',
  '.tar.gz',
];

describe('file names', () => {
  test('that may stand in a path, a header and a log line', () => {
    for (const name of [
      'foo-1.0.tar.gz',
      'a',
      'x y-1.0.zip',
      'é-1.0.tar.gz',
      '😀-1.zip',
      'a..b-1.0.zip',
      `${'x'.repeat(251)}.zip`,
    ]) {
      assert.equal(safeFilename(name), name);
    }
    const evil = [
      '',
      '.',
      '..',
      '.hidden',
      '../x.zip',
      'a/b.zip',
      'a\\b.zip',
      'a\u0000.zip',
      'a\n.zip',
      'a\u007f.zip',
      'a\u0085.zip',
    ];
    evil.push(
      ' a.zip',
      'a.zip ',
      `${'x'.repeat(252)}.zip`,
      `${'é'.repeat(126)}.zip`,
      'a\u2028.zip',
      'a\ud800.zip',
      '\udc00',
      '\ufeffa.zip',
    );
    for (const name of evil) assert.equal(safeFilename(name), undefined, JSON.stringify(name));
  });

  test('are sent as bytes that no browser runs', () => {
    assert.equal(contentTypeOf('foo-1.0.tar.gz'), 'application/octet-stream');
    assert.equal(contentTypeOf('foo-1.0-py3-none-any.whl'), 'application/octet-stream');
    assert.equal(contentTypeOf('foo.html'), 'application/octet-stream');
    assert.equal(contentTypeOf('foo-1.0-py3-none-any.whl.metadata'), 'text/plain; charset=utf-8');
  });

  test('of wheels are taken apart', () => {
    const wheel = parseWheelFilename('Foo.Bar-1.0-12ab-py2.py3-none-any.whl');
    assert.deepEqual(wheel, {
      project: 'foo-bar',
      version: '1.0',
      build: [12n, 'ab'],
      tags: [
        { python: 'py2', abi: 'none', platform: 'any' },
        { python: 'py3', abi: 'none', platform: 'any' },
      ],
      pythonTag: 'py2.py3',
      platformTag: 'any',
    });
    const bomb = 'a.'.repeat(60).concat('a');
    assert.equal(parseWheelFilename(`foo-1-${bomb}-${bomb}-${bomb}.whl`), undefined);
    assert.equal(parseWheelFilename(`foo-1-${'a.'.repeat(9999)}a-none-any.whl`), undefined);
  });
});

const KINDS: readonly (readonly [
  project: string,
  filename: string,
  kind: string,
  version: string | undefined,
  type: string,
  python: string,
])[] = [
  ['foo', 'foo-1.0-py2.py3-none-any.whl', 'wheel', '1.0', 'bdist_wheel', 'py2.py3'],
  ['foo', 'foo-1.0.0-5-cp311-cp311-win32.whl', 'wheel', '1.0.0', 'bdist_wheel', 'cp311'],
  ['torch', 'torch-2.1.0+cpu-cp311-cp311-linux_x86_64.whl', 'wheel', '2.1.0+cpu', 'bdist_wheel', 'cp311'],
  ['foo', 'foo-1.0_1-py3-none-any.whl', 'wheel', '1.0.post1', 'bdist_wheel', 'py3'],
  ['foo', 'foo-2004d-py3-none-any.whl', 'wheel', '2004d', 'bdist_wheel', 'py3'],
  ['foo', 'foo-1.0-py3-none-any-cuda.whl', 'wheel', '1.0', 'bdist_wheel', 'none'],
  ['foo-bar', 'foo-bar-1.0-py3-none-any.whl', 'wheel', '1.0', 'bdist_wheel', 'py3'],
  ['python-dateutil', 'python-dateutil-2.8.2.tar.gz', 'sdist', '2.8.2', 'sdist', 'source'],
  ['python-dateutil', 'python_dateutil-2.8.2.tar.gz', 'sdist', '2.8.2', 'sdist', 'source'],
  ['zope-interface', 'zope.interface-4.0.tar.bz2', 'sdist', '4.0', 'sdist', 'source'],
  ['foo-2', 'foo-2-1.0.zip', 'sdist', '1.0', 'sdist', 'source'],
  ['foo', 'foo-1.0-1.tgz', 'sdist', '1.0.post1', 'sdist', 'source'],
  ['foo', 'foo-1.0-beta-2.tar.xz', 'sdist', '1.0b2', 'sdist', 'source'],
  ['foo', 'foo-1.0.tar.Z', 'sdist', '1.0', 'sdist', 'source'],
  ['pytz', 'pytz-2004d.tar.gz', 'sdist', '2004d', 'sdist', 'source'],
  ['foo', 'foo-1.0.linux-x86_64.tar.gz', 'other', '1.0', 'bdist_dumb', 'any'],
  ['foo', 'foo-1.0.win32.zip', 'other', '1.0', 'bdist_dumb', 'any'],
  ['foo', 'foo-1.0-py2.7.egg', 'other', '1.0', 'bdist_egg', '2.7'],
  ['foo-bar', 'foo_bar-1.0-py2.7-linux-x86_64.egg', 'other', '1.0', 'bdist_egg', '2.7'],
  ['foo', 'foo-1.0.win32-py2.7.exe', 'other', '1.0', 'bdist_wininst', '2.7'],
  ['foo', 'foo-1.0.win-amd64.exe', 'other', '1.0', 'bdist_wininst', 'any'],
  ['foo', 'foo-1.0.win-amd64-py3.4.msi', 'other', '1.0', 'bdist_msi', '3.4'],
  ['foo', 'foo-1.0-1.noarch.rpm', 'other', '1.0', 'bdist_rpm', 'any'],
  ['foo', 'foo-1.0-1.src.rpm', 'other', '1.0', 'bdist_rpm', 'any'],
  ['foo', 'foo-1.0.dmg', 'other', '1.0', 'bdist_dmg', 'any'],
  ['foo', 'foo_1.0-1_all.deb', 'other', '1.0', 'bdist_deb', 'any'],
  ['foo', 'foo-1.0-variants.json', 'other', '1.0', 'other', 'any'],
  ['foo', 'README', 'other', undefined, 'other', 'any'],
  ['foo', 'bar-2.0.tar.gz', 'sdist', '2.0', 'sdist', 'source'],
  ['foo', '.whl', 'wheel', undefined, 'bdist_wheel', 'any'],
  ['foo', 'foo-.tar.gz', 'sdist', undefined, 'sdist', 'source'],
];

test('the project that is known decides where the version of a file begins', () => {
  for (const [project, filename, kind, version, packagetype, pythonVersion] of KINDS) {
    const expected =
      version === undefined ? { kind, packagetype, pythonVersion } : { kind, version, packagetype, pythonVersion };
    assert.deepEqual(distributionOf(filename, parseProjectName(project)), expected, filename);
  }
});

const judge = pythonJudge();
describe('file names, judged by packaging', { skip: judge.skip }, () => {
  test('of wheels', () => {
    if (judge.skip !== false) return;
    const verdicts = judge.ask(
      `
from packaging.utils import parse_wheel_filename, InvalidWheelFilename
def judge(text):
    try:
        name, version, build, tags = parse_wheel_filename(text)
    except InvalidWheelFilename:
        return None
    return [name, str(version), list(build), sorted(map(str, tags))]
result = [judge(t) for t in data]`,
      WHEELS.filter((name) => !name.startsWith('-')),
    );
    const ours = WHEELS.filter((name) => !name.startsWith('-')).map((text) => {
      const wheel = parseWheelFilename(text);
      if (wheel === undefined) return null;
      const build = wheel.build === undefined ? [] : [Number(wheel.build[0]), wheel.build[1]];
      const tags = wheel.tags.map((tag) => `${tag.python}-${tag.abi}-${tag.platform}`);
      return [wheel.project, wheel.version, build, tags.sort()];
    });
    assert.deepEqual(ours, verdicts);
    assert.equal(parseWheelFilename('-1.0-py3-none-any.whl'), undefined);
  });

  test('of source distributions', () => {
    if (judge.skip !== false) return;
    const verdicts = judge.ask(
      `
from packaging.utils import parse_sdist_filename, InvalidSdistFilename
def judge(text):
    try:
        name, version = parse_sdist_filename(text)
    except InvalidSdistFilename:
        return None
    return [name, str(version)]
result = [judge(t) for t in data]`,
      SDISTS,
    );
    const ours = SDISTS.map((text) => {
      const sdist = parseSdistFilename(text);
      return sdist === undefined ? null : [sdist.project, sdist.version];
    });
    assert.deepEqual(ours, verdicts);
  });

  test('of projects', () => {
    if (judge.skip !== false) return;
    const names = ['Foo', 'foo.bar', 'foo_-.bar', 'A', '1', 'é', '-a', 'a-', 'a b', '', 'ſ', 'a--b', 'K'];
    const verdicts = judge.ask(
      `
from packaging.utils import canonicalize_name, InvalidName
def judge(text):
    try:
        return canonicalize_name(text, validate=True) if text.isascii() else None
    except InvalidName:
        return None
result = [judge(t) for t in data]`,
      names,
    );
    assert.deepEqual(
      names.map((name) => projectName(name) ?? null),
      verdicts,
    );
  });
});
