import type { ContainedDistribution } from '../model/bundle.ts';
import { parseCoreMetadata } from '../model/core-metadata.ts';
import { projectName } from '../model/project-name.ts';
import { ArchiveError } from './archive-error.ts';

/** Name and version are among the first lines; a description of megabytes may follow. */
export const METADATA_HEAD_BYTES = 64 * 1024;

// distutils wrote a file where setuptools has a folder.
const METADATA = /(?:^|\/)[^/]+\.(?:dist-info\/METADATA|egg-info(?:\/PKG-INFO)?)$/;
// `flask-3.0.0.dist-info`, `flask-3.0.0-py3.11.egg-info`; of an sdist's own `flask.egg-info` the folder tells no version.
const FOLDER = /(?:^|\/)([^/-]+)-([^/-]+)(?:-[^/]*)?\.(?:dist-info|egg-info)$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const VERSION = /^[^\x00-\x20\x7f]{1,128}$/;

/** Is this member the metadata of an installed distribution (`*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, `*.egg-info`), at any depth? */
export function isDistributionMetadata(name: string): boolean {
  return (
    (name.endsWith('/METADATA') || name.endsWith('/PKG-INFO') || name.endsWith('.egg-info')) && METADATA.test(name)
  );
}

/** Collects the distributions of one archive. Of two members with one name the later counts, as when unpacking. */
export class ContainedDistributions {
  readonly #byPath = new Map<string, ContainedDistribution>();
  readonly #max: number;

  /** `max`: more distributions than that make the archive unreadable. */
  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Takes the beginning of a metadata file. Where that tells no name or version the name of the folder (or of that file) does; one that tells none
   * either is no distribution (packages carry such for their own tests). Throws `ArchiveError` for too many.
   */
  add(member: string, head: Buffer): void {
    const isFile = member.endsWith('.egg-info');
    const path = (isFile ? member : member.slice(0, member.lastIndexOf('/'))).replace(/^(?:\.\/)+/, '');
    const metadata = parseCoreMetadata(head);
    const [, folderName = '', folderVersion = ''] = FOLDER.exec(path) ?? [];
    const name = projectName(metadata.name ?? folderName);
    const version = metadata.version ?? folderVersion;
    if (name === undefined || !VERSION.test(version)) return;
    this.#byPath.set(path, { name, version, path });
    if (this.#byPath.size > this.#max) throw new ArchiveError(`it holds more than ${this.#max} distributions`);
  }

  /** Ordered by name, version and path. */
  list(): readonly ContainedDistribution[] {
    const key = (one: ContainedDistribution): string => `${one.name}\0${one.version}\0${one.path}`;
    return [...this.#byPath.values()].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  }
}
