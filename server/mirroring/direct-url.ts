import { lastSegment } from '../model/address-path.ts';
import { parseSdistFilename, parseWheelFilename } from '../model/filename.ts';
import { type ProjectName, projectName } from '../model/project-name.ts';
import { isCommit, type LockSource, type NewSource } from './lock.ts';

/** What the address of a requirement says (PEP 508, PEP 610, pip's documentation). */
export interface DirectUrl {
  readonly source: LockSource;
  /** The project, when the fragment (`egg=`) or the file's name tells it. */
  readonly project?: ProjectName;
  /** What follows the project in the fragment: `egg=demo[more]`. */
  readonly extras?: readonly string[];
  readonly version?: string;
  /** `alg:hex` of a fragment with another algorithm than sha256. */
  readonly otherHash?: string;
}

const VCS = /^(git|hg|svn|bzr)\+(.+)$/is;
const SHA256 = /^[0-9a-f]{64}$/i;

/** Does the text begin like an address, of whatever kind? */
export function looksLikeUrl(text: string): boolean {
  return /^(?:[a-z][a-z0-9+.-]*:\/\/|(?:git|hg|svn|bzr)\+|file:)/i.test(text);
}

/** Takes an address apart; `undefined` when it is none, or of a scheme that no archive is fetched with. */
export function parseDirectUrl(text: string): DirectUrl | undefined {
  const hash = text.indexOf('#');
  const address = hash === -1 ? text : text.slice(0, hash);
  const fragment = new Map(
    hash === -1
      ? []
      : text
          .slice(hash + 1)
          .split('&', 16)
          .map(pair),
  );
  const egg = fragment.get('egg');
  const project = egg === undefined ? undefined : projectName(egg.replace(/\[.*$/, ''));
  const extras = (/\[([A-Za-z0-9._,-]+)\]$/.exec(egg ?? '')?.[1] ?? '').split(',').filter((extra) => extra !== '');
  const named = project === undefined ? {} : { project, ...(extras.length === 0 ? {} : { extras }) };
  const subdirectory = fragment.get('subdirectory');
  const place = subdirectory === undefined || subdirectory === '' ? {} : { subdirectory };
  const vcs = VCS.exec(address);
  if (vcs !== null) {
    const source = vcsSource(vcs[1] ?? '', vcs[2] ?? '');
    return { source: { ...source, ...place }, ...named };
  }
  if (/^file:/i.test(address)) return { source: { kind: 'local', what: address } };
  const url = URL.parse(address);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return undefined;
  const sha256 = fragment.get('sha256');
  const other = [...fragment].find(([name]) => /^(?:sha512|sha384|sha224|sha1|md5)$/.test(name));
  return {
    source: {
      kind: 'archive',
      url: address,
      ...(sha256 !== undefined && SHA256.test(sha256) ? { sha256: sha256.toLowerCase() } : {}),
      ...place,
    },
    ...nameOf(url),
    ...named,
    ...(other === undefined ? {} : { otherHash: other.join(':') }),
  };
}

/** The address of a new source in the form that follows `name @`; that of an archive has its hash unless `hashed` is false. */
export function formatDirectUrl(source: NewSource, { hashed = true }: { readonly hashed?: boolean } = {}): string {
  const subdirectory = source.subdirectory === undefined ? [] : [`subdirectory=${source.subdirectory}`];
  const hash = source.kind === 'archive' && hashed ? [`sha256=${source.sha256}`] : [];
  const parts = [...hash, ...subdirectory];
  const fragment = parts.length === 0 ? '' : `#${parts.join('&')}`;
  if (source.kind === 'archive') return `${source.url}${fragment}`;
  return `${source.system}+${source.url}@${source.commit}${fragment}`;
}

function pair(text: string): [string, string] {
  const equals = text.indexOf('=');
  return equals === -1 ? [text, ''] : [text.slice(0, equals).toLowerCase(), text.slice(equals + 1)];
}

/** The revision is what follows the last `@` of the path; one before the host belongs to credentials. */
function vcsSource(system: string, address: string): Extract<LockSource, { kind: 'vcs' }> {
  const scheme = address.indexOf('://');
  const pathStart = address.indexOf('/', scheme === -1 ? 0 : scheme + 3);
  const at = address.lastIndexOf('@');
  if (at === -1 || pathStart === -1 || at < pathStart)
    return { kind: 'vcs', system: system.toLowerCase(), url: address };
  const ref = address.slice(at + 1);
  return {
    kind: 'vcs',
    system: system.toLowerCase(),
    url: address.slice(0, at),
    ...(ref === '' ? {} : { ref }),
    ...(isCommit(ref.toLowerCase()) ? { commit: ref.toLowerCase() } : {}),
  };
}

/** The name of the file that an address leads to; `undefined` when its path ends in none. */
export function filenameAt(url: URL): string | undefined {
  return lastSegment(url.pathname) || undefined;
}

function nameOf(url: URL): { project?: ProjectName; version?: string } {
  const filename = filenameAt(url) ?? '';
  const parsed = parseWheelFilename(filename) ?? parseSdistFilename(filename);
  return parsed === undefined ? {} : { project: parsed.project, version: parsed.version };
}
