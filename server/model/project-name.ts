import { Problem } from '../problem.ts';

/** A normalised project name (PEP 503): lower case, runs of `-`, `_` and `.` as one `-`. */
export type ProjectName = string & { readonly __brand: 'ProjectName' };

// PEP 508: ASCII letters and digits, with `.`, `_`, `-` inside. The cap is ours: the longest public names have about 80.
const VALID = /^(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]{0,212}[A-Za-z0-9])$/;
const MAX_LENGTH = 214;

const NORMAL = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;

/** The normalised form of `text`, or `undefined` when it is no project name. */
export function projectName(text: string): ProjectName | undefined {
  if (text.length <= MAX_LENGTH && NORMAL.test(text)) return text as ProjectName;
  return VALID.test(text) ? (text.replace(/[-_.]+/g, '-').toLowerCase() as ProjectName) : undefined;
}

/** The normalised form of `text`. Throws `invalid-project-name`. */
export function parseProjectName(text: string): ProjectName {
  const name = projectName(text);
  if (name === undefined) throw new Problem('invalid-project-name', 'This is not a valid project name (PEP 508).');
  return name;
}
