import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { LockText } from '../../server/mirroring/lock.ts';

/** Locks as the tools themselves wrote them, of one small application, with invented hosts; the same digests and commit in all. */
export const SAMPLE_LOCKS = [
  'requirements-uv.txt',
  'requirements-piptools.txt',
  'pylock.uv.toml',
  'pylock.pip.toml',
  'uv.lock',
  'poetry.lock',
  'Pipfile.lock',
  'pdm.lock',
] as const;

/** One of them. */
export function sampleLock(name: (typeof SAMPLE_LOCKS)[number]): LockText {
  const path = fileURLToPath(new URL(`../server/mirroring/locks/${name}`, import.meta.url));
  return { name, content: readFileSync(path, 'utf8') };
}
