import { createHash } from 'node:crypto';
import type { BundleVersion, ContainedDistribution } from '../model/bundle.ts';

/** The media type of `cycloneDx` documents (registered with IANA). */
export const CYCLONEDX_TYPE = 'application/vnd.cyclonedx+json; version=1.6';

/**
 * A software bill of materials of a bundle version, CycloneDX 1.6. The same version always gives the same document. `contents` are
 * those of the version.
 */
export function cycloneDx(version: BundleVersion, contents: readonly ContainedDistribution[]): Record<string, unknown> {
  const root = `${version.app}@${version.version}`;
  const components = componentsOf(contents);
  const references = [
    ...(version.buildUrl === undefined ? [] : [{ type: 'build-system', url: new URL(version.buildUrl).href }]),
  ];
  const properties = [
    ...property('stormcellar:filename', version.filename),
    ...property('stormcellar:commit', version.commit),
    ...property('stormcellar:tag', version.tag),
    ...property('stormcellar:uploaded-by', version.createdBy),
  ];
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(`${root}\0${version.digest}`)}`,
    version: 1,
    metadata: {
      timestamp: new Date(version.createdAt).toISOString(),
      tools: { components: [{ type: 'application', name: 'stormcellar' }] },
      component: {
        type: 'application',
        'bom-ref': root,
        name: version.app,
        version: version.version,
        hashes: [{ alg: 'SHA-256', content: version.digest }],
        ...(references.length === 0 ? {} : { externalReferences: references }),
        properties,
      },
    },
    components,
    dependencies: [{ ref: root, dependsOn: components.map((component) => component['bom-ref']) }],
  };
}

interface Component {
  readonly type: 'library';
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly evidence: { readonly occurrences: readonly { readonly location: string }[] };
}

/** One component for each release, however often it is vendored: references have to be unique. */
function componentsOf(contents: readonly ContainedDistribution[]): readonly Component[] {
  const places = new Map<string, ContainedDistribution[]>();
  for (const one of contents) {
    const purl = purlOf(one);
    places.set(purl, [...(places.get(purl) ?? []), one]);
  }
  return [...places].flatMap(([purl, [first, ...more]]) =>
    first === undefined
      ? []
      : [
          {
            type: 'library' as const,
            'bom-ref': purl,
            name: first.name,
            version: first.version,
            purl,
            evidence: { occurrences: [first, ...more].map(({ path }) => ({ location: path })) },
          },
        ],
  );
}

function purlOf({ name, version }: ContainedDistribution): string {
  return `pkg:pypi/${encoded(name)}@${encoded(version)}`;
}

/** As a package URL has it: of punctuation only `.`, `-`, `_` and `~` stand for themselves. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function property(name: string, value: string | undefined): readonly { name: string; value: string }[] {
  return value === undefined ? [] : [{ name, value }];
}

/** A UUID made of a text (version 8 of RFC 9562: the maker's own way). */
function uuidOf(text: string): string {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
