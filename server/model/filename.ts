import { type ProjectName, projectName } from './project-name.ts';
import { normaliseVersion } from './version.ts';

/** A file name that may stand in a path, a header and a log line: one segment, no control characters, at most 255 bytes. */
export type Filename = string & { readonly __brand: 'Filename' };

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const UNSAFE = /[\u0000-\u001f\u007f-\u009f/\\\u2028\u2029\ufeff]|^\.|[\ud800-\udfff]/;

/**
 * `text` as a file name, or `undefined`: path separators, control characters, lone surrogates, a leading dot (so also `.` and `..`), white space
 * at either end and more than 255 bytes are refused. Whether it names a distribution is `distributionOf`'s question.
 */
export function safeFilename(text: string): Filename | undefined {
  if (text === '' || text.length > 255 || text !== text.trim()) return undefined;
  if (UNSAFE.test(text.replace(/[\ud800-\udbff][\udc00-\udfff]/g, ''))) return undefined;
  return Buffer.byteLength(text) <= 255 ? (text as Filename) : undefined;
}

const METADATA_SUFFIX = '.metadata';

/** The distribution whose core metadata `filename` names, or `filename` itself when it names no metadata. */
export function archiveOf(filename: string): string {
  return filename.endsWith(METADATA_SUFFIX) ? filename.slice(0, -METADATA_SUFFIX.length) : filename;
}

/** The media type files are sent with. One for all: a browser saves it, no proxy decodes or changes it, and clients do not care. */
const FILE_CONTENT_TYPE = 'application/octet-stream';

/** The media type to send a distribution file, or its `.metadata`, with. Never one that a browser would run. */
export function contentTypeOf(filename: string): string {
  return filename.endsWith(METADATA_SUFFIX) ? 'text/plain; charset=utf-8' : FILE_CONTENT_TYPE;
}

/** A compatibility tag (PEP 425), lower case. */
export interface WheelTag {
  readonly python: string;
  readonly abi: string;
  readonly platform: string;
}

/** A wheel's file name, taken apart. */
export interface WheelName {
  readonly project: ProjectName;
  /** Normalised. */
  readonly version: string;
  /** Build tag: its number and what follows; absent when the name has none. */
  readonly build?: readonly [number: bigint, rest: string];
  /** Every combination of the compressed sets, as the name lists them. */
  readonly tags: readonly WheelTag[];
  /** The python tag as written, such as `py2.py3`. */
  readonly pythonTag: string;
  /** The platform tag as written. */
  readonly platformTag: string;
}

// Ours: the product of compressed sets in one name; real ones have at most a few dozen.
const MAX_TAGS = 1000;

/** A wheel's file name (PEP 427), or `undefined` when it is not a valid one. `__` in the project's part is not valid. */
export function parseWheelFilename(filename: string): WheelName | undefined {
  if (!filename.endsWith('.whl') || filename.length > 512) return undefined;
  const parts = filename.slice(0, -4).split('-');
  if (parts.length !== 5 && parts.length !== 6) return undefined;
  const [name = '', versionText = ''] = parts;
  const [pythonTag = '', abiTag = '', platformTag = ''] = parts.slice(-3);
  if (name.includes('__')) return undefined;
  const project = projectName(name);
  const version = normaliseVersion(versionText);
  if (project === undefined || version === undefined || versionText !== versionText.trim()) return undefined;
  const build = parts.length === 6 ? /^([0-9]+)(.*)$/.exec(parts[2] ?? '') : undefined;
  if (build === null) return undefined;
  const tags = expandTags(pythonTag, abiTag, platformTag);
  if (tags === undefined) return undefined;
  return {
    project,
    version,
    ...(build === undefined ? {} : { build: [BigInt(build[1] ?? '0'), build[2] ?? ''] as const }),
    tags,
    pythonTag,
    platformTag,
  };
}

function expandTags(pythons: string, abis: string, platforms: string): readonly WheelTag[] | undefined {
  const [p, a, f] = [pythons, abis, platforms].map((set) => set.toLowerCase().split('.'));
  if (p === undefined || a === undefined || f === undefined) return undefined;
  if (p.length * a.length * f.length > MAX_TAGS || [...p, ...a, ...f].some((tag) => !/^\w+$/.test(tag)))
    return undefined;
  return p.flatMap((python) => a.flatMap((abi) => f.map((platform) => ({ python, abi, platform }))));
}

/** A source distribution's file name (PEP 625), or `undefined`. Only `.tar.gz` and `.zip`; the last hyphen parts name and version. */
export function parseSdistFilename(filename: string): { project: ProjectName; version: string } | undefined {
  const suffix = ['.tar.gz', '.zip'].find((end) => filename.endsWith(end));
  if (suffix === undefined || filename.length > 512) return undefined;
  const stem = filename.slice(0, -suffix.length);
  const at = stem.lastIndexOf('-');
  const project = projectName(stem.slice(0, Math.max(at, 0)));
  const versionText = stem.slice(at + 1);
  const version = normaliseVersion(versionText);
  if (at < 1 || project === undefined || version === undefined || versionText !== versionText.trim()) return undefined;
  return { project, version };
}
/** What a file of a project is, as far as its name tells. */
export interface Distribution {
  readonly kind: 'wheel' | 'sdist' | 'other';
  /** Normalised when it follows PEP 440, else as the name has it; absent when the name tells none. */
  readonly version?: string;
  /** As the legacy JSON API calls it; `other` for what has no such name. */
  readonly packagetype:
    | 'bdist_wheel'
    | 'sdist'
    | 'bdist_egg'
    | 'bdist_wininst'
    | 'bdist_msi'
    | 'bdist_rpm'
    | 'bdist_dmg'
    | 'bdist_deb'
    | 'bdist_dumb'
    | 'other';
  /** As the legacy JSON API has it: `source`, a wheel's python tag, `2.7` of older formats, or `any`. */
  readonly pythonVersion: string;
}

const SDIST_SUFFIX = /\.(?:tar\.gz|zip|tar\.bz2|tgz|tbz2?|tar\.xz|txz|tar\.z|tar\.lzma|tar)$/i;
// What `setup.py bdist_dumb` put between version and suffix.
const DUMB_PLATFORM = /\.(?:linux|macosx|win32|win-amd64|cygwin|freebsd|solaris|darwin)[-\w.]*$/i;
const PYTHON_SUFFIX = /-py([0-9]+(?:\.[0-9]+)?)(?:-[-\w.]+)?$/i;

/** What `filename` is among the files of `project`, whose name decides where the version begins. Never throws. */
export function distributionOf(filename: string, project: ProjectName): Distribution {
  if (filename.endsWith('.whl')) return wheel(filename, project);
  const sdist = SDIST_SUFFIX.exec(filename);
  if (sdist !== null) {
    const stem = filename.slice(0, sdist.index);
    const platform = DUMB_PLATFORM.exec(stem);
    if (platform !== null) return other('bdist_dumb', stem.slice(0, platform.index), { project, pythonVersion: 'any' });
    return { kind: 'sdist', ...versionOf(stem, project), packagetype: 'sdist', pythonVersion: 'source' };
  }
  return legacy(filename, project);
}

function wheel(filename: string, project: ProjectName): Distribution {
  const parts = filename.slice(0, -4).split('-');
  const pythonVersion = parts.length >= 5 ? (parts.at(-3) ?? 'any') : 'any';
  // Draft PEP 825 adds a seventh part; with legacy names the project's own hyphens are not escaped.
  const version = parts.length >= 5 && isSpelling(parts[0] ?? '', project) ? parts[1] : undefined;
  if (version !== undefined) return { kind: 'wheel', ...spelt(version), packagetype: 'bdist_wheel', pythonVersion };
  const rest = afterProject(filename.slice(0, -4), project);
  return { kind: 'wheel', ...spelt(rest?.split('-')[0]), packagetype: 'bdist_wheel', pythonVersion };
}

function isSpelling(text: string, project: ProjectName): boolean {
  // As the specification has it, and so most of them.
  return text.replaceAll('_', '-') === project || projectName(text) === project;
}

function legacy(filename: string, project: ProjectName): Distribution {
  const dot = filename.lastIndexOf('.');
  const stem = filename.slice(0, Math.max(dot, 0));
  const python = PYTHON_SUFFIX.exec(stem);
  const pythonVersion = python?.[1] ?? 'any';
  const head = python === null ? stem : stem.slice(0, python.index);
  switch (filename.slice(dot).toLowerCase()) {
    case '.egg':
      return other('bdist_egg', head, { project, pythonVersion });
    case '.exe':
      return other('bdist_wininst', head.replace(/\.win(?:32|-amd64|-arm64)$/i, ''), { project, pythonVersion });
    case '.msi':
      return other('bdist_msi', head.replace(/\.win(?:32|-amd64|-arm64)$/i, ''), { project, pythonVersion });
    case '.rpm':
      return other('bdist_rpm', stem.replace(/(?:-\w+)?\.(?:noarch|src|x86_64|i[3-6]86|aarch64)$/i, ''), {
        project,
        pythonVersion,
      });
    case '.dmg':
      return other('bdist_dmg', head.replace(DUMB_PLATFORM, ''), { project, pythonVersion });
    case '.deb':
      return other(
        'bdist_deb',
        stem
          .replace(/_[a-z0-9]+$/, '')
          .replace('_', '-')
          .replace(/-[0-9]+$/, ''),
        { project, pythonVersion },
      );
    default:
      return {
        kind: 'other',
        ...versionOf(stem.replace(/-variants$/, ''), project),
        packagetype: 'other',
        pythonVersion: 'any',
      };
  }
}

function other(
  packagetype: Distribution['packagetype'],
  stem: string,
  known: { project: ProjectName; pythonVersion: string },
): Distribution {
  return { kind: 'other', ...versionOf(stem, known.project), packagetype, pythonVersion: known.pythonVersion };
}

function versionOf(stem: string, project: ProjectName): { version?: string } {
  const rest = afterProject(stem, project);
  if (rest !== undefined) return spelt(rest);
  // Not this project's name: what follows the last hyphen, when it is a version.
  const guess = normaliseVersion(stem.slice(stem.lastIndexOf('-') + 1));
  return guess === undefined || !stem.includes('-') ? {} : { version: guess };
}

/** What follows the longest beginning of `stem` that is a spelling of `project`, and a hyphen. */
function afterProject(stem: string, project: ProjectName): string | undefined {
  // A spelling differs from the normalised name in the case of letters and in its separators, of which runs count as one.
  let best: string | undefined;
  for (let at = stem.indexOf('-', project.length); at !== -1 && at <= 256; at = stem.indexOf('-', at + 1)) {
    if (projectName(stem.slice(0, at)) === project) best = stem.slice(at + 1);
    else if (best !== undefined) break;
  }
  return best;
}

function spelt(version: string | undefined): { version?: string } {
  if (version === undefined || version === '') return {};
  return { version: normaliseVersion(version) ?? normaliseVersion(version.replaceAll('_', '-')) ?? version };
}
