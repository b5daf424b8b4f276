import { pdmLock } from './formats/pdm-lock.ts';
import { pipfileLock } from './formats/pipfile-lock.ts';
import { poetryLock } from './formats/poetry-lock.ts';
import { pylock } from './formats/pylock.ts';
import { requirementsTxt } from './formats/requirements-txt.ts';
import { uvLock } from './formats/uv-lock.ts';
import {
  type Lock,
  type LockChanges,
  type LockFormat,
  type LockFormatHandler,
  type LockText,
  lockProblem,
  shown,
} from './lock.ts';

const HANDLERS: Readonly<Record<LockFormat, LockFormatHandler>> = {
  'requirements-txt': requirementsTxt,
  pylock,
  'uv-lock': uvLock,
  'poetry-lock': poetryLock,
  'pipfile-lock': pipfileLock,
  'pdm-lock': pdmLock,
};

const NAMES: readonly (readonly [pattern: RegExp, format: LockFormat])[] = [
  [/^pylock(?:\.[^.]+)?\.toml$/, 'pylock'],
  [/^uv\.lock$/, 'uv-lock'],
  [/^poetry\.lock$/, 'poetry-lock'],
  [/^pipfile\.lock$/i, 'pipfile-lock'],
  [/^pdm(?:\.[^.]+)*\.lock$/, 'pdm-lock'],
  [/\.(?:txt|in|pip)$/i, 'requirements-txt'],
];

/** The format that a file's name tells, folders before it aside; `undefined` when it is none that we know. */
export function lockFormat(name: string): LockFormat | undefined {
  const base = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
  return NAMES.find(([pattern]) => pattern.test(base))?.[1];
}

/** Reads a lock. Throws `malformed-request` with the member `errors`: lines or paths, and what is wrong there. */
export function readLock(text: LockText): Lock {
  return handlerFor(text).read(text);
}

/** The same lock with changes, everything else as it was. Throws `malformed-request`. */
export function rewriteLock(text: LockText, changes: LockChanges): LockText {
  return handlerFor(text).rewrite(text, changes);
}

function handlerFor(text: LockText): LockFormatHandler {
  const format = lockFormat(text.name);
  if (format !== undefined) return HANDLERS[format];
  const detail = `the name ${shown(text.name)} is none of requirements*.txt, pylock.toml, uv.lock, poetry.lock, Pipfile.lock, pdm.lock`;
  throw lockProblem(text.name, [{ pointer: '/name', detail }]);
}
