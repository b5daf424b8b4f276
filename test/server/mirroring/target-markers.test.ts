import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uncovered } from '../../../server/mirroring/coverage.ts';
import type { LockEntry } from '../../../server/mirroring/lock.ts';
import { markerMayApply, markerMayHold } from '../../../server/mirroring/target-markers.ts';
import { parseTargets } from '../../../server/mirroring/targets.ts';
import { parseMarker } from '../../../server/model/marker.ts';
import type { Requirement } from '../../../server/model/requirement.ts';
import { fulfils } from '../../../server/model/specifier.ts';
import { pythonJudge } from '../../support/python.ts';

const judge = pythonJudge();
const LINUX = {
  os_name: 'posix',
  sys_platform: 'linux',
  platform_system: 'Linux',
  platform_machine: 'x86_64',
  python_version: '3.11',
  implementation_name: 'cpython',
  platform_python_implementation: 'CPython',
};
const MARKERS = [
  'python_version < "3.12"',
  'python_version >= "3.9" and python_version < "3.11"',
  '"3.11" == python_version',
  'python_version in "3.10 3.11"',
  'python_version not in "3.10, 3.11"',
  'python_version == "3.*"',
  'python_version != "3.11.*"',
  'python_version ~= "3.8"',
  'python_version ~= "3.11"',
  'sys_platform == "win32" or sys_platform == "linux"',
  'sys_platform != "linux"',
  'platform_system == "Darwin" and platform_machine == "arm64"',
  'os_name == "posix" and (platform_machine == "aarch64" or platform_machine == "x86_64")',
  'implementation_name == "pypy"',
  'platform_python_implementation == "CPython"',
  'extra == "Fast_Mode"',
  'extra == "other"',
  'extra != "other"',
];

test('markers of a target, as the packaging library has them', { skip: judge.skip }, () => {
  const [target] = parseTargets(['cp311-manylinux_2_28_x86_64']);
  for (const extras of [[], ['fast-mode']] as const) {
    const ours = MARKERS.map((text) => markerMayHold(parseMarker(text), { target, extras }));
    const script =
      'from packaging.markers import Marker\nresult = [Marker(m).evaluate({**data["env"], "extra": data["extra"]}) for m in data["markers"]]';
    if (judge.skip !== false) throw new Error('there is no judge');
    const theirs = judge.ask(script, { markers: MARKERS, env: LINUX, extra: extras[0] ?? '' });
    assert.deepEqual(ours, theirs);
  }
});

test('specifiers, as the packaging library has them', { skip: judge.skip }, () => {
  const versions = [
    '1.0',
    '1.0.post1',
    '1.0.dev1',
    '1.0rc1',
    '1.0+local',
    '1.1',
    '2.0',
    '1.0.0',
    '1!1.0',
    '1.10',
    '0.9',
  ];
  const specifiers = [
    '==1.0',
    '!=1.0',
    '>=1.0',
    '<=1.0',
    '~=1.0',
    '~=1.0.0',
    '==1.*',
    '!=1.*',
    '===1.0',
    '>1.0,<2',
    '<2.0',
    '==1.0+local',
  ];
  const clausesOf = (text: string): Requirement['specifier'] =>
    text.split(',').map((clause) => {
      const [, operator = '', version = ''] = /^([<>=!~]+)(.+)$/.exec(clause) ?? [];
      return { operator: operator as '==', version };
    });
  const ours = specifiers.map((specifier) => versions.map((version) => fulfils(version, clausesOf(specifier))));
  const script =
    'from packaging.specifiers import SpecifierSet\nresult = [[SpecifierSet(s).contains(v, prereleases=True) for v in data["versions"]] for s in data["specifiers"]]';
  if (judge.skip !== false) throw new Error('there is no judge');
  assert.deepEqual(ours, judge.ask(script, { versions, specifiers }));
});

test('what a target does not tell counts as fulfilled', () => {
  const targets = parseTargets(['cp311-manylinux_2_28_x86_64', 'cp312-win_amd64']);
  assert.equal(markerMayApply('platform_release > "5"', targets), true);
  assert.equal(markerMayApply('sys_platform == "win32"', targets), true);
  assert.equal(markerMayApply('sys_platform == "darwin"', targets), false);
  assert.equal(markerMayApply('sys_platform == "darwin"', []), true);
  assert.equal(markerMayApply('this is no marker', targets), true);
});

test('a project for other systems alone is not missed on a target', () => {
  const entry = { place: 'line 1', source: { kind: 'index' }, hashes: [], files: [] } as const satisfies LockEntry;
  const targets = parseTargets(['cp311-manylinux_2_28_x86_64']);
  const missed = (...filenames: string[]) =>
    uncovered({ entry, isUnconditional: false }, filenames, targets).length > 0;
  assert.equal(missed('pywin32-1-cp311-cp311-win_amd64.whl'), false);
  assert.equal(missed('native-1-cp312-cp312-manylinux_2_17_x86_64.whl'), true);
  assert.equal(missed('native-1-cp311-cp311-manylinux_2_17_x86_64.whl'), false);
  assert.equal(missed('native-1-cp312-cp312-manylinux_2_17_x86_64.whl', 'native-1.tar.gz'), false);
  assert.equal(missed(), false);
  const everywhere = { entry, isUnconditional: true };
  assert.deepEqual(
    uncovered(everywhere, ['pywin32-1-cp311-cp311-win_amd64.whl'], targets),
    targets,
    'told to be needed',
  );
  assert.deepEqual(uncovered(everywhere, ['native-1-cp311-cp311-manylinux_2_17_x86_64.whl'], targets), []);
});
