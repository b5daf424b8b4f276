import fc from 'fast-check';
import type { DistributionFile, Hashes, ProjectDetail } from '../../server/model/distribution-file.ts';
import type { ProjectName } from '../../server/model/project-name.ts';

const hex = (length: number): fc.Arbitrary<string> =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length })
    .map((digits) => digits.join(''));

const words = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 30 })
  .map((text) => text.replaceAll('\0', '').replaceAll('\ufeff', '').toWellFormed().trim())
  .filter((text) => text !== '');

const uploadTime = fc
  .date({ min: new Date('2005-01-01'), max: new Date('2030-01-01'), noInvalidDate: true })
  .chain((date) =>
    fc.constantFrom(
      date.toISOString(),
      date.toISOString().replace(/\.\d+Z$/, 'Z'),
      date.toISOString().replace('Z', '123Z'),
    ),
  );

const filename = fc
  .tuple(
    fc.constantFrom('1.0', '2.0rc1', '1!2.0+cpu.1', '0.1.0'),
    fc.constantFrom(
      '-py3-none-any.whl',
      '-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl',
      '.tar.gz',
      '.zip',
      '-py2.7.egg',
    ),
    fc.nat(99),
  )
  .map(([version, rest, number]) => `demo-${version.replace('1.0', `1.${number}`)}${rest}`);

/**
 * Project pages of all shapes. `only`: `html` leaves out what the HTML form cannot say (hashes but sha256, unknown keys, versions
 * without files).
 */
export function projectPages(only: 'json' | 'html'): fc.Arbitrary<ProjectDetail> {
  const hashes: fc.Arbitrary<Hashes> =
    only === 'html'
      ? fc.option(hex(64), { nil: undefined }).map((sha256): Hashes => (sha256 === undefined ? {} : { sha256 }))
      : fc.record({ sha256: hex(64), md5: hex(32), blake2b_256: hex(64) }, { requiredKeys: [], noNullPrototype: true });
  const file: fc.Arbitrary<DistributionFile> = fc.record(
    {
      filename,
      hashes,
      requiresPython: fc.constantFrom('>=3.8', '>=3,<4', '!=3.0.*,>=2.7'),
      size: fc.nat(),
      uploadTime,
      yanked: fc.oneof(fc.constant(true as const), words),
      coreMetadata: fc.oneof(
        fc.constant(true as const),
        hex(64).map((sha256) => ({ sha256 })),
      ),
      provenance: fc.constant('https://upstream.example/integrity/demo/1.0/x/provenance'),
      ...(only === 'html' ? {} : { extra: fc.constant({ 'future-key': [1, null, { a: 'b' }] }) }),
    },
    { requiredKeys: ['filename', 'hashes'], noNullPrototype: true },
  );
  return fc
    .record(
      {
        status: fc.constantFrom('active' as const, 'archived' as const, 'deprecated' as const),
        statusReason: words,
        files: fc.uniqueArray(file, { selector: (entry) => entry.filename, maxLength: 12 }),
        ...(only === 'html' ? {} : { extra: fc.constant({ namespaces: null }) }),
      },
      { requiredKeys: ['files'], noNullPrototype: true },
    )
    .map(({ statusReason, ...page }) => ({
      name: 'demo' as ProjectName,
      versions: [],
      ...page,
      ...(page.status === undefined || statusReason === undefined ? {} : { statusReason }),
      files: page.files.map((entry) => ({
        ...entry,
        url: `https://files.example/d/demo/${encodeURIComponent(entry.filename)}`,
      })),
    }));
}

/** A page of `count` files with everything that a real page tells. */
export function hugePage(count: number): ProjectDetail {
  const files = Array.from({ length: count }, (_, i): DistributionFile => {
    const version = `1.${Math.trunc(i / 2)}.0`;
    const sha256 = i.toString(16).padStart(64, 'a');
    return {
      filename: i % 2 === 0 ? `demo-${version}-py3-none-any.whl` : `demo-${version}.tar.gz`,
      hashes: { sha256 },
      requiresPython: '>=3.9',
      size: 100_000 + i,
      uploadTime: '2024-05-06T07:08:09.123456Z',
      ...(i % 2 === 0 ? { coreMetadata: { sha256 } } : {}),
      ...(i % 50 === 0 ? { yanked: 'broken <release>' } : {}),
    };
  });
  const versions = Array.from({ length: Math.ceil(count / 2) }, (_, i) => `1.${i}.0`);
  return { name: 'demo' as ProjectName, status: 'active', versions, files };
}
