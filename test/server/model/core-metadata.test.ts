import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCoreMetadata } from '../../../server/model/core-metadata.ts';
import { cpuMs } from '../../support/cpu-time.ts';
import { pythonJudge } from '../../support/python.ts';

const FULL = `Metadata-Version: 2.4
Name: Demo_Pkg
Version: 1.0.0
Summary: A demo: with a colon
Author-email: "Ünï" <u@host.example>
License-Expression: MIT
License-File: LICENSE
License-File: NOTICE
Classifier: Programming Language :: Python
Classifier: Topic :: Software Development
Requires-Python: >=3.9,<4
Requires-Dist: demo-dep>=1; python_version < "3.12"
requires-dist: other[extra]
Project-URL: Homepage, https://host.example/a,b
Project-URL: https://host.example/bare
Provides-Extra: test
Dynamic: license
Keywords: alpha,beta
Import-Name: demo
X-Unknown: ignored
Description-Content-Type: text/markdown

# Title

Text: not a header
`;

test('all fields of a modern file', () => {
  const metadata = parseCoreMetadata(Buffer.from(FULL));
  assert.equal(metadata.metadataVersion, '2.4');
  assert.equal(metadata.name, 'Demo_Pkg');
  assert.equal(metadata.summary, 'A demo: with a colon');
  assert.equal(metadata.authorEmail, '"Ünï" <u@host.example>');
  assert.equal(metadata.licenseExpression, 'MIT');
  assert.equal(metadata.requiresPython, '>=3.9,<4');
  assert.deepEqual(metadata.licenseFiles, ['LICENSE', 'NOTICE']);
  assert.deepEqual(metadata.requiresDist, ['demo-dep>=1; python_version < "3.12"', 'other[extra]']);
  assert.deepEqual(metadata.projectUrls, [
    ['Homepage', 'https://host.example/a,b'],
    ['', 'https://host.example/bare'],
  ]);
  assert.deepEqual(metadata.importNames, ['demo']);
  assert.equal(metadata.description, '# Title\n\nText: not a header\n');
  assert.equal(metadata.license, undefined);
  assert.ok(!Object.hasOwn(metadata, 'license'), 'absent, not undefined');
});

test('what older tools wrote', () => {
  const old =
    'Metadata-Version: 1.1\r\nName: x\r\nVersion: 1\r\nLicense: UNKNOWN\r\nSummary: one\r\n two\r\nDescription: First\r\n        Second\r\n               Deep\r\n        \r\n        Last\r\nPlatform: UNKNOWN\r\n';
  const metadata = parseCoreMetadata(Buffer.from(old));
  assert.equal(metadata.license, undefined);
  assert.deepEqual(metadata.platforms, []);
  assert.equal(metadata.summary, 'one\n two');
  assert.equal(metadata.description, 'First\nSecond\n       Deep\n\nLast');
  assert.equal(parseCoreMetadata(Buffer.from('Name: x\nDescription: a\n       |b\n')).description, 'a\nb');
});

test('odd files give what can be read', () => {
  assert.equal(parseCoreMetadata(Buffer.from('\ufeffName: x\n')).name, 'x');
  assert.equal(parseCoreMetadata(Buffer.from('Author: M\xfcller\n', 'latin1')).author, 'Müller');
  assert.equal(
    parseCoreMetadata(Buffer.from('Name: x\nno header here\nVersion: 1\n')).description,
    'no header here\nVersion: 1\n',
  );
  assert.equal(parseCoreMetadata(Buffer.from('Name: first\nName: second\n')).name, 'first');
  assert.equal(parseCoreMetadata(Buffer.from('')).name, undefined);
  assert.equal(parseCoreMetadata(Buffer.from('__proto__: x\nconstructor: y\nName: z')).name, 'z');
  assert.ok(cpuMs(() => parseCoreMetadata(Buffer.from(`Name: x\n${' y\n'.repeat(300_000)}`))) < 5000);
});

const judge = pythonJudge();
test('fields, judged by packaging', { skip: judge.skip }, () => {
  if (judge.skip !== false) return;
  const verdict = judge.ask(
    `
from packaging.metadata import parse_email
raw, unparsed = parse_email(data.encode())
result = [raw["name"], raw["version"], raw["summary"], raw["classifiers"], raw["requires_dist"], raw["description"], raw["requires_python"], raw["provides_extra"], raw["license_files"]]`,
    FULL,
  );
  const m = parseCoreMetadata(Buffer.from(FULL));
  assert.deepEqual(
    [
      m.name,
      m.version,
      m.summary,
      m.classifiers,
      m.requiresDist,
      m.description,
      m.requiresPython,
      m.providesExtra,
      m.licenseFiles,
    ],
    verdict,
  );
});
