import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { ProblemSlug } from '../../../server/problem.ts';
import { announcedHashes, checkDigests, checkForm, type FormFields } from '../../../server/uploads/check-form.ts';
import { DEFAULT_RULES, type UploadRules } from '../../../server/uploads/upload-rules.ts';
import { sha256Of } from '../../support/wheel.ts';

const WHEEL = { name: 'demo', version: '1.0', filetype: 'bdist_wheel', pyversion: 'py3' };
const SDIST = { name: 'demo', version: '1.0', filetype: 'sdist', pyversion: 'source' };

function fieldsOf(fields: Record<string, string | readonly string[]>): FormFields {
  return new Map(Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? [value] : value]));
}

function refused(
  slug: ProblemSlug,
  [fields, filename]: readonly [Record<string, string | readonly string[]>, string],
  rules: Partial<UploadRules> = {},
): void {
  const what = `${filename} ${JSON.stringify(fields)}`;
  assert.throws(() => checkForm(fieldsOf(fields), filename, { ...DEFAULT_RULES, ...rules }), { slug }, what);
}

function taken(fields: Record<string, string | readonly string[]>, filename: string) {
  return checkForm(fieldsOf(fields), filename, DEFAULT_RULES);
}

describe('the form of an upload', () => {
  it('agrees with the file name, in any spelling', () => {
    assert.deepEqual(
      taken({ ...WHEEL, ':action': 'file_upload', protocol_version: '1' }, 'demo-1.0-py3-none-any.whl'),
      {
        project: 'demo',
        filename: 'demo-1.0-py3-none-any.whl',
        kind: 'wheel',
        format: 'zip',
        version: '1.0',
      },
    );
    // twine rewrites the name: `My_pkg.sub` arrives as `My-pkg.sub`
    assert.equal(taken({ ...WHEEL, name: 'My-pkg.sub' }, 'my_pkg_sub-1.0-py3-none-any.whl').project, 'my-pkg-sub');
    assert.equal(taken({ ...WHEEL, version: 'v1.0.0' }, 'demo-1.0-py3-none-any.whl').version, '1.0');
    assert.equal(taken({ ...WHEEL, version: '1.0-1' }, 'demo-1.0.post1-py3-none-any.whl').version, '1.0.post1');
    const local = { ...WHEEL, version: '1!2.0+cpu.1' };
    assert.equal(taken(local, 'demo-1!2.0+cpu.1-py3-none-any.whl').version, '1!2.0+cpu.1');
    assert.equal(taken({ ...WHEEL, pyversion: 'py2.py3' }, 'demo-1.0-py2.py3-none-any.whl').kind, 'wheel');
    assert.equal(taken({ ...WHEEL, pyversion: 'cp311' }, 'demo-1.0-1build-cp311-cp311-linux_x86_64.whl').kind, 'wheel');
    const { pyversion: _, ...without } = WHEEL;
    assert.equal(taken(without, 'demo-1.0-py3-none-any.whl').kind, 'wheel');
  });

  it('takes sdists with old names', () => {
    assert.deepEqual(taken({ ...SDIST, name: 'python-dateutil', version: '2.8.2' }, 'python-dateutil-2.8.2.tar.gz'), {
      project: 'python-dateutil',
      filename: 'python-dateutil-2.8.2.tar.gz',
      kind: 'sdist',
      format: 'tar.gz',
      version: '2.8.2',
    });
    assert.equal(taken(SDIST, 'demo-1.0.tgz').format, 'tar.gz');
    assert.equal(taken(SDIST, 'demo-1.0.zip').format, 'zip');
    assert.equal(taken({ ...SDIST, name: 'Zope.Event' }, 'Zope.Event-1.0.tar.gz').project, 'zope-event');
    assert.equal(taken({ ...SDIST, version: '1.post2' }, 'demo-1-2.tar.gz').version, '1.post2');
  });

  it('is refused when it disagrees with the file name', () => {
    refused('metadata-mismatch', [{ ...WHEEL, name: 'other' }, 'demo-1.0-py3-none-any.whl']);
    refused('metadata-mismatch', [{ ...WHEEL, version: '1.1' }, 'demo-1.0-py3-none-any.whl']);
    refused('metadata-mismatch', [{ ...WHEEL, version: '1.0+local' }, 'demo-1.0-py3-none-any.whl']);
    refused('metadata-mismatch', [SDIST, 'demo-1.0-py3-none-any.whl']);
    refused('metadata-mismatch', [WHEEL, 'demo-1.0.tar.gz']);
    refused('metadata-mismatch', [{ ...WHEEL, pyversion: 'source' }, 'demo-1.0-py3-none-any.whl']);
    refused('metadata-mismatch', [{ ...SDIST, pyversion: 'py3' }, 'demo-1.0.tar.gz']);
    refused('invalid-filename', [{ ...SDIST, name: 'other' }, 'demo-1.0.tar.gz']);
    refused('metadata-mismatch', [{ ...SDIST, version: '2.0' }, 'demo-1.0.tar.gz']);
  });

  it('is refused when something is missing or said twice', () => {
    for (const name of ['name', 'version', 'filetype']) {
      refused('malformed-request', [{ ...WHEEL, [name]: '' }, 'demo-1.0-py3-none-any.whl']);
      refused('malformed-request', [{ ...WHEEL, [name]: ['demo', 'UNKNOWN', 'x'] }, 'demo-1.0-py3-none-any.whl']);
    }
    refused('not-accepted', [{ ...WHEEL, ':action': 'submit' }, 'demo-1.0-py3-none-any.whl']);
    refused('not-accepted', [{ ...WHEEL, protocol_version: '2' }, 'demo-1.0-py3-none-any.whl']);
    assert.equal(taken({ ...WHEEL, name: ['demo', 'demo'] }, 'demo-1.0-py3-none-any.whl').project, 'demo');
  });

  it('is refused for a name that is none', () => {
    for (const filename of [
      '',
      'demo',
      'demo.whl',
      'demo-1.0.whl',
      'demo-1.0-py3-none-any.whl/',
      '../demo-1.0-py3-none-any.whl',
      'a/demo-1.0-py3-none-any.whl',
      'a\\demo-1.0-py3-none-any.whl',
      'demo-1.0-py3-none-any.whl\r\nX-Evil: 1',
      'demo-1.0\0-py3-none-any.whl',
      'demo-not.a.version-py3-none-any.whl',
      'dëmo-1.0-py3-none-any.whl',
      'demo -1.0-py3-none-any.whl',
      `demo-1.0-py3-none-${'a'.repeat(300)}.whl`,
      'demo-1.0-py3-none-any.WHL',
    ]) {
      assert.throws(() => taken(WHEEL, filename), { status: 400 }, filename);
    }
    for (const filename of [
      'demo.tar.gz',
      'demo-.tar.gz',
      'demo-x.tar.gz',
      '-1.0.tar.gz',
      '.tar.gz',
      'demo-1.0.tar.bz2',
    ]) {
      assert.throws(() => taken(SDIST, filename), { status: 400 }, filename);
    }
    for (const name of ['-', 'a b', 'ä', 'a'.repeat(300), '__proto__-']) {
      refused('invalid-project-name', [{ ...WHEEL, name }, 'demo-1.0-py3-none-any.whl']);
    }
  });

  it('is refused by the rules of a stricter house', () => {
    refused('not-accepted', [{ ...WHEEL, version: '1.0+cpu' }, 'demo-1.0+cpu-py3-none-any.whl'], {
      localVersions: false,
    });
    const linux = 'demo-1.0-py3-none-linux_x86_64.whl';
    refused('not-accepted', [WHEEL, linux], { linuxPlatformTags: false });
    refused('not-accepted', [SDIST, 'demo-1.0.zip'], { zipSdists: false });
    refused('invalid-filename', [{ ...SDIST, name: 'a-b' }, 'a-b-1.0.tar.gz'], { oldSdistNames: false });
    refused('invalid-filename', [SDIST, 'demo-1.0.tgz'], { oldSdistNames: false });
  });
});

describe('the digests of an upload', () => {
  const bytes = Buffer.from('content');
  const spooled = { digest: sha256Of(bytes), size: bytes.length, path: '' };
  const extra = { md5: createHash('md5').update(bytes).digest('hex'), 'blake2b-256': 'ab'.repeat(32) };
  const all = { sha256_digest: spooled.digest, md5_digest: extra.md5, blake2_256_digest: extra['blake2b-256'] };

  it('are compared, those that were sent', () => {
    checkDigests(fieldsOf({}), spooled, extra);
    checkDigests(fieldsOf(all), spooled, extra);
    for (const [name, value] of Object.entries(all)) {
      checkDigests(fieldsOf({ [name]: value.toUpperCase() }), spooled, extra);
      const wrong = value.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
      assert.throws(() => checkDigests(fieldsOf({ ...all, [name]: wrong }), spooled, extra), {
        slug: 'digest-mismatch',
      });
      for (const text of [value.slice(1), `${value}0`, value.replace(/^./, 'g'), 'x']) {
        assert.throws(() => checkDigests(fieldsOf({ [name]: text }), spooled, extra), { slug: 'malformed-request' });
      }
    }
  });

  it('are computed only when the form has them', () => {
    assert.deepEqual(announcedHashes(fieldsOf({ sha256_digest: 'x' })), []);
    assert.deepEqual(announcedHashes(fieldsOf(all)), ['md5', 'blake2b-256']);
  });
});
