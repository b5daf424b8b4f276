import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseMarker, RequirementSyntaxError } from '../../../server/model/marker.ts';
import { parseRequirement, pinnedVersion, type Requirement } from '../../../server/model/requirement.ts';
import { cpuMs } from '../../support/cpu-time.ts';
import { pythonJudge } from '../../support/python.ts';
import { renderMarker, renderRequirement } from '../../support/render-requirement.ts';

const GOOD = [
  'A',
  'A.B-C_D',
  'aa',
  'name',
  'name<=1',
  'name>=3',
  'name>=3,',
  'name>=3,<2',
  'name @ ;',
  'name (>=1,)',
  'name@http://foo.example',
  'name [fred,bar] @ http://foo.example ; python_version=="2.7"',
  "name[quux, strange];python_version<'2.7' and platform_version=='2'",
  "name; os_name=='a' or os_name=='b'",
  "name; os_name=='a' and os_name=='b' or os_name=='c'",
  "name; os_name=='a' and (os_name=='b' or os_name=='c')",
  "name; (os_name=='a' or os_name=='b') and os_name=='c'",
  "name; ((os_name=='a'))",
  'name (>=1.0, <2)',
  'name ()',
  'name[]',
  'name[ a ]',
  'name == 1.0.* , != 1.0.post1',
  'name===anything-at~all',
  'name ~= 1.4.2',
  'name==1.0+local.1',
  'name==1!2.0rc1',
  'name; \'linux\' in sys_platform and "x" not  in platform_machine',
  'name; os.name == "posix" and python_implementation != "PyPy"',
  'name; extra == "test"',
  'name; "x" == extra',
  'pip @ https://host.example/pip-1.3.1.zip#sha1=da9234ee9982d4bbb3c72346a6de940a148ea686',
  'pip @ git+https://host.example/pip.git@7921be1537eac1e97bc40179a57f0349c2aee67d#subdirectory=x ; os_name == "a"',
  '  spaced  >= 1 ; os_name == "a"  ',
  'name\t>=1',
];

const BAD = [
  '',
  ' ',
  '-name',
  'name[',
  'name[a',
  'name[a,]',
  'name[,a]',
  'name[a b]',
  'name>',
  'name>=',
  'name>=abc',
  'name>=1.*',
  'name~=1',
  'name~=1+local',
  'name<1+local',
  'name (>=1',
  'name >=1)',
  'name 1.0',
  'name;',
  'name>=1,,<2',
  'name; ',
  'name; os_name',
  'name; os_name ==',
  'name; os_name == x',
  "name; os_name == 'x",
  "name; nothing == 'x'",
  "name; os_name == 'x' and",
  "name; (os_name == 'x'",
  "name; os_name == 'x')",
  'name @',
  'name @ https://host.example/x ; ',
  'name @ https://host.example/x y',
  'näme',
  'name==1.0 --hash=sha256:abc',
  'name==1.0 # comment',
];

function attempt(text: string): Requirement | undefined {
  try {
    return parseRequirement(text);
  } catch (error) {
    assert.ok(error instanceof RequirementSyntaxError, String(error));
    assert.ok(error.at >= 0 && error.at <= Math.max(text.length, 0));
    return undefined;
  }
}

describe('requirements', () => {
  test('are taken apart', () => {
    const requirement = parseRequirement('Foo.Bar[b, a] >=1.0, <2 ; python_version < "3.12"');
    assert.equal(requirement.project, 'foo-bar');
    assert.deepEqual(requirement.extras, ['b', 'a']);
    assert.deepEqual(requirement.specifier, [
      { operator: '>=', version: '1.0' },
      { operator: '<', version: '2' },
    ]);
    assert.equal(requirement.marker, 'python_version < "3.12"');
    assert.equal(renderRequirement(requirement), 'Foo.Bar[b,a]>=1.0,<2; python_version < "3.12"');
    const direct = parseRequirement('foo @ https://host.example/a;b.zip#sha256=00 ; os_name == "a"');
    assert.equal(direct.url, 'https://host.example/a;b.zip#sha256=00');
    assert.deepEqual(direct.urlSpan, [6, 44]);
  });

  test('that pin one version', () => {
    const pin = (text: string): string | undefined => pinnedVersion(parseRequirement(text));
    assert.equal(pin('a==1.0'), '1.0');
    assert.equal(pin('a===1.0'), '1.0');
    assert.equal(pin('a==1.0,!=2'), '1.0');
    for (const text of ['a', 'a==1.*', 'a>=1', 'a~=1.0', 'a @ https://host.example/x'])
      assert.equal(pin(text), undefined);
  });

  test('that are no requirements say where', () => {
    for (const text of [...BAD, 'name\n', '\nname']) assert.equal(attempt(text), undefined, text);
    assert.throws(() => parseRequirement('name>=abc'), { at: 6, message: 'expected a version after ">="' });
  });

  test('of any length are answered at once', () => {
    const took = cpuMs(() => {
      for (const piece of ['a', '[', 'a[', ',', 'a,', '1', '1.', '(', 'a;(', "a;os_name=='x' and ", ' ', '=']) {
        attempt(piece.repeat(20_000));
        attempt(`a; ${piece.repeat(4000)}`);
        attempt(`a==${piece.repeat(4000)}`);
        attempt(`a[${piece.repeat(4000)}`);
      }
    });
    assert.ok(took < 5000);
  });

  test('whatever the text is, the answer is a requirement or a RequirementSyntaxError', () => {
    const pieces = fc.constantFrom(
      'name',
      '[',
      ']',
      ',',
      '==',
      '>=',
      '1.0',
      '.*',
      ' ',
      ';',
      '@',
      'https://host.example',
      '(',
      ')',
      'os_name',
      "'x'",
      'and',
      'or',
      'not in',
      '"',
      '#',
      '\t',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 14 }), (parts) => {
        const requirement = attempt(parts.join(''));
        if (requirement === undefined) return;
        const again = parseRequirement(renderRequirement(requirement));
        assert.deepEqual({ ...again, urlSpan: undefined }, { ...requirement, urlSpan: undefined });
        if (requirement.markerTree !== undefined) {
          assert.deepEqual(parseMarker(renderMarker(requirement.markerTree)), requirement.markerTree);
        }
      }),
      { numRuns: 2000, seed: 508 },
    );
  });
});

const judge = pythonJudge();
test('requirements, judged by packaging', { skip: judge.skip }, () => {
  if (judge.skip !== false) return;
  const texts = [...GOOD, ...BAD];
  const ours = texts.map((text) => {
    const requirement = attempt(text);
    if (requirement === undefined) return null;
    const specifier = requirement.specifier.map((clause) => clause.operator + clause.version);
    const { name, extras, url = null } = requirement;
    return [name, extras.toSorted(), specifier.sort(), url];
  });
  const verdicts = judge.ask(
    `
from packaging.requirements import Requirement, InvalidRequirement
def judge(text):
    try:
        r = Requirement(text)
    except InvalidRequirement:
        return None
    return [r.name, sorted(r.extras), sorted(map(str, r.specifier)), r.url]
result = [judge(t) for t in data]`,
    texts,
  );
  assert.deepEqual(ours, verdicts);
});

test('markers mean the same when written again, judged by packaging', { skip: judge.skip }, () => {
  if (judge.skip !== false) return;
  const markers = GOOD.map((text) => attempt(text)).flatMap((requirement) =>
    requirement?.markerTree === undefined ? [] : [[requirement.marker, renderMarker(requirement.markerTree)]],
  );
  const verdicts = judge.ask(
    `
from packaging.markers import Marker
envs = [dict(os_name=a, python_version=b, sys_platform=c, platform_machine=d, platform_version="2", extra="test") for a in "abc" for b in ("2.6", "2.7", "3.12") for c in ("linux", "win32") for d in ("x", "y")]
result = [all(Marker(a).evaluate(e) == Marker(b).evaluate(e) for e in envs) for a, b in data]`,
    markers,
  );
  assert.deepEqual(
    verdicts,
    markers.map(() => true),
  );
});
