/** A distribution's core metadata, as far as we use it. What a file does not say is absent or empty. */
export interface CoreMetadata {
  readonly metadataVersion?: string;
  readonly name?: string;
  readonly version?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly descriptionContentType?: string;
  /** As written; separated by commas or blanks. */
  readonly keywords?: string;
  readonly homePage?: string;
  readonly downloadUrl?: string;
  readonly author?: string;
  readonly authorEmail?: string;
  readonly maintainer?: string;
  readonly maintainerEmail?: string;
  readonly license?: string;
  readonly licenseExpression?: string;
  readonly requiresPython?: string;
  readonly licenseFiles: readonly string[];
  readonly classifiers: readonly string[];
  readonly platforms: readonly string[];
  readonly supportedPlatforms: readonly string[];
  readonly requiresDist: readonly string[];
  readonly requiresExternal: readonly string[];
  readonly providesExtra: readonly string[];
  readonly providesDist: readonly string[];
  readonly obsoletesDist: readonly string[];
  readonly dynamic: readonly string[];
  readonly importNames: readonly string[];
  readonly importNamespaces: readonly string[];
  /** Label and address, in order. */
  readonly projectUrls: readonly (readonly [label: string, url: string])[];
}

const SINGLE = {
  'metadata-version': 'metadataVersion',
  name: 'name',
  version: 'version',
  summary: 'summary',
  'description-content-type': 'descriptionContentType',
  keywords: 'keywords',
  'home-page': 'homePage',
  'download-url': 'downloadUrl',
  author: 'author',
  'author-email': 'authorEmail',
  maintainer: 'maintainer',
  'maintainer-email': 'maintainerEmail',
  license: 'license',
  'license-expression': 'licenseExpression',
  'requires-python': 'requiresPython',
} as const satisfies Record<string, keyof CoreMetadata>;

const REPEATED = {
  'license-file': 'licenseFiles',
  classifier: 'classifiers',
  platform: 'platforms',
  'supported-platform': 'supportedPlatforms',
  'requires-dist': 'requiresDist',
  'requires-external': 'requiresExternal',
  'provides-extra': 'providesExtra',
  'provides-dist': 'providesDist',
  'obsoletes-dist': 'obsoletesDist',
  dynamic: 'dynamic',
  'import-name': 'importNames',
  'import-namespace': 'importNamespaces',
} as const satisfies Record<string, keyof CoreMetadata>;

/**
 * The fields of a METADATA or PKG-INFO file (core metadata, any version). Lenient: unknown fields are ignored, of a field that may
 * stand once the first counts, a line that is no header begins the body, bytes that are not UTF-8 are read as Latin-1. Never throws; the
 * caller bounds the size.
 */
export function parseCoreMetadata(bytes: Buffer): CoreMetadata {
  const { headers, body } = split(decode(bytes));
  const single: Partial<Record<(typeof SINGLE)[keyof typeof SINGLE] | 'description', string>> = {};
  const repeated = new Map<string, string[]>(Object.values(REPEATED).map((field) => [field, []]));
  const projectUrls: (readonly [string, string])[] = [];
  for (const [name, value] of headers) {
    // Tools before metadata 2.1 wrote UNKNOWN for what they were not told.
    if (value === '' || value === 'UNKNOWN') continue;
    if (Object.hasOwn(SINGLE, name)) single[SINGLE[name as keyof typeof SINGLE]] ??= value;
    else if (Object.hasOwn(REPEATED, name)) repeated.get(REPEATED[name as keyof typeof REPEATED])?.push(value);
    else if (name === 'project-url') projectUrls.push(labelled(value));
    else if (name === 'description') single.description ??= dedent(value);
  }
  if (body !== '' && body !== 'UNKNOWN') single.description = body;
  const list = (field: (typeof REPEATED)[keyof typeof REPEATED]): readonly string[] => repeated.get(field) ?? [];
  return {
    ...single,
    licenseFiles: list('licenseFiles'),
    classifiers: list('classifiers'),
    platforms: list('platforms'),
    supportedPlatforms: list('supportedPlatforms'),
    requiresDist: list('requiresDist'),
    requiresExternal: list('requiresExternal'),
    providesExtra: list('providesExtra'),
    providesDist: list('providesDist'),
    obsoletesDist: list('obsoletesDist'),
    dynamic: list('dynamic'),
    importNames: list('importNames'),
    importNamespaces: list('importNamespaces'),
    projectUrls,
  };
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return bytes.toString('latin1');
  }
}

/** Header lines (lower-case name, unfolded value) and what follows the first empty line. */
function split(text: string): { headers: readonly (readonly [string, string])[]; body: string } {
  const headers: [string, string][] = [];
  let at = 0;
  while (at < text.length) {
    const newline = text.indexOf('\n', at);
    const next = newline === -1 ? text.length : newline + 1;
    const line = text.slice(at, newline === -1 ? text.length : newline).replace(/\r$/, '');
    if (line === '') return { headers: headers.map(trimmed), body: text.slice(next) };
    const last = headers.at(-1);
    if ((line.startsWith(' ') || line.startsWith('\t')) && last !== undefined) {
      last[1] += `\n${line}`;
    } else {
      const colon = line.indexOf(':');
      // A line that is no header: the file lacks the empty line before its body, which Python's parser forgives as well.
      if (colon < 1 || /[\s]/.test(line.slice(0, colon)))
        return { headers: headers.map(trimmed), body: text.slice(at) };
      headers.push([line.slice(0, colon).toLowerCase(), line.slice(colon + 1)]);
    }
    at = next;
  }
  return { headers: headers.map(trimmed), body: '' };
}

function trimmed([name, value]: readonly [string, string]): readonly [string, string] {
  return [name, value.trim()];
}

/** A description in a header has its lines indented by blanks, or by blanks and a bar (core metadata 2.1). */
function dedent(value: string): string {
  return value.replace(/\n(?: {7}\|| {8}|\t)/g, '\n');
}

function labelled(value: string): readonly [string, string] {
  const comma = value.indexOf(',');
  return comma === -1 ? ['', value] : [value.slice(0, comma).trim(), value.slice(comma + 1).trim()];
}
