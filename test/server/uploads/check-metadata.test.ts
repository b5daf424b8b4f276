import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Filename } from '../../../server/model/filename.ts';
import type { ProjectName } from '../../../server/model/project-name.ts';
import type { ProblemSlug } from '../../../server/problem.ts';
import type { Claims } from '../../../server/uploads/check-form.ts';
import { checkMetadata } from '../../../server/uploads/check-metadata.ts';
import { DEFAULT_RULES, type UploadRules } from '../../../server/uploads/upload-rules.ts';

const CLAIMS: Claims = {
  project: 'demo-pkg' as ProjectName,
  filename: 'demo_pkg-1.0-py3-none-any.whl' as Filename,
  kind: 'wheel',
  format: 'zip',
  version: '1.0',
};

const check = (lines: readonly string[], rules: Partial<UploadRules> = {}) =>
  checkMetadata(Buffer.from(`${lines.join('\n')}\n\nbody\n`), CLAIMS, { ...DEFAULT_RULES, ...rules });
const refused = (slug: ProblemSlug, lines: readonly string[], rules: Partial<UploadRules> = {}) =>
  assert.throws(() => check(lines, rules), { slug }, lines.join(' | '));

const NAME = 'Name: Demo_Pkg';
const VERSION = 'Version: 1.0';
const GOOD = ['Metadata-Version: 2.1', NAME, VERSION];

describe('the core metadata of an upload', () => {
  it('agree with the form, in any spelling', () => {
    assert.equal(check(GOOD).name, 'Demo_Pkg');
    check(['Metadata-Version: 2.6', 'Name: demo.pkg', 'Version: v1.0.0', 'Requires-Python: >=3.9,<4, !=3.9.1']);
    check(['Metadata-Version: 1.0', NAME, VERSION, 'Requires-Python: >=2.7.*, ~= 3.0']);
    // what a description says is no field
    check([...GOOD, '', 'Name: evil', 'Name: evil', 'Version: 9']);
  });

  it('are refused when they are of another file', () => {
    refused('metadata-mismatch', ['Metadata-Version: 2.1', 'Name: other', VERSION]);
    refused('metadata-mismatch', ['Metadata-Version: 2.1', NAME, 'Version: 1.1']);
  });

  it('are refused when they are not valid', () => {
    refused('invalid-metadata', []);
    refused('invalid-metadata', [NAME, VERSION]);
    refused('invalid-metadata', ['Metadata-Version: 3.0', NAME, VERSION]);
    refused('invalid-metadata', ['Metadata-Version: 2.1', VERSION]);
    refused('invalid-metadata', ['Metadata-Version: 2.1', NAME]);
    refused('invalid-metadata', ['Metadata-Version: 2.1', 'Name: -', VERSION]);
    refused('invalid-metadata', ['Metadata-Version: 2.1', NAME, 'Version: x']);
    refused('invalid-metadata', [...GOOD, 'Name: demo-pkg']);
    refused('invalid-metadata', [...GOOD, 'version: 1.0']);
    refused('invalid-metadata', [...GOOD, 'Requires-Python: three']);
    refused('invalid-metadata', [...GOOD, 'Requires-Python: >=3; rm']);
    refused('invalid-metadata', [...GOOD, `Requires-Python: ${'>=3,'.repeat(300)}`]);
  });

  it('are judged by the rules', () => {
    const direct = [...GOOD, 'Requires-Dist: other @ https://host.example/other-1.0.whl ; python_version > "3"'];
    const classified = [...GOOD, 'Classifier: Private :: Do Not Upload'];
    check(direct);
    check(classified);
    refused('not-accepted', direct, { directUrlDependencies: false });
    refused('not-accepted', classified, { unknownClassifiers: false });
    check([...GOOD, 'Requires-Dist: other ; extra == "a@b"'], { directUrlDependencies: false });
    check([...GOOD, 'Classifier: Programming Language :: Python'], { unknownClassifiers: false });
  });

  it('never cost more than they are long', () => {
    refused('invalid-metadata', [...GOOD, `Requires-Python: ${'> '.repeat(400)}`]);
    refused('invalid-metadata', [...GOOD, `Requires-Python: >=3${' '.repeat(900)}x y`]);
  });
});
