import { Problem } from '../problem.ts';
import { shown } from '../zip-file.ts';
import type { UploadRules } from './upload-rules.ts';

/** What is wrong with an archive; answered with 400. */
export function invalidArchive(sentence: string, cause?: unknown): Problem {
  return new Problem('invalid-archive', sentence, cause === undefined ? {} : { cause });
}

/** Limits what an archive of `size` bytes becomes when it is unpacked; `expanded`: so far. Throws `invalid-archive`. */
export function checkExpandedBytes(expanded: number, size: number, rules: UploadRules): void {
  if (expanded > rules.maxExpandedBytes) {
    throw invalidArchive(`Unpacked, the archive is larger than the limit of ${rules.maxExpandedBytes} bytes.`);
  }
  if (expanded > rules.ratioFromBytes && expanded > size * rules.maxRatio) {
    throw invalidArchive(`Unpacked, the archive is more than ${rules.maxRatio} times as large.`);
  }
}

/**
 * The names in one archive: each a path that stays below the folder it is unpacked to, none twice. Throws `invalid-archive`.
 * `take` answers with the path in its parts, without `.` and empty ones.
 */
export class MemberNames {
  readonly #seen = new Set<string>();
  readonly #links = new Map<string, readonly string[]>();

  take(name: string): readonly string[] {
    const parts = pathParts(name);
    if (parts.length === 0) return parts;
    const path = parts.join('/');
    if (this.#seen.has(path)) throw invalidArchive(`The archive has two members named ${shown(path)}.`);
    this.#seen.add(path);
    return parts;
  }

  /** A link; `target` is a path from the top of the archive (hard links), or from the link's folder (symbolic ones). */
  takeLink(parts: readonly string[], target: string, from: 'top' | 'folder'): void {
    const path = parts.join('/');
    if (target.startsWith('/') || target.includes('\\') || target.includes('\0') || target === '') {
      throw invalidArchive(`The link ${shown(path)} in the archive points to a place outside of it.`);
    }
    const steps = target.split('/').filter((step) => step !== '' && step !== '.');
    const up = steps.findIndex((step) => step !== '..');
    const down = up === -1 ? [] : steps.slice(up);
    const folder = from === 'top' ? [] : parts.slice(0, -1);
    const upwards = steps.length - down.length;
    // Where `a` is a link itself, `a/..` is not where it seems to be.
    if (upwards > folder.length || down.includes('..')) {
      throw invalidArchive(`The link ${shown(path)} in the archive points to a place outside of it.`);
    }
    const resolved = [...folder.slice(0, folder.length - upwards), ...down];
    this.#links.set(path, resolved);
  }

  /** To be called after the last member: no path may lead through a link, since it would end elsewhere than it seems to. */
  finish(): void {
    if (this.#links.size === 0) return;
    for (const path of this.#seen) this.#checkWay(path.split('/'));
    for (const target of this.#links.values()) this.#checkWay(target);
  }

  #checkWay(parts: readonly string[]): void {
    for (let length = 1; length < parts.length; length++) {
      const folder = parts.slice(0, length).join('/');
      if (this.#links.has(folder))
        throw invalidArchive(`A path in the archive leads through the link ${shown(folder)}.`);
    }
  }
}

function pathParts(name: string): readonly string[] {
  if (/\p{Cc}/u.test(name)) throw invalidArchive('A member of the archive has a control character in its name.');
  const isOutside = name.startsWith('/') || name.includes('\\') || /^[A-Za-z]:/.test(name);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (isOutside || parts.includes('..')) {
    throw invalidArchive(`The archive has a member outside of its folder, or with a backslash: ${shown(name)}.`);
  }
  return parts;
}
