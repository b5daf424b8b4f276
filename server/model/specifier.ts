import { satisfies } from '@renovatebot/pep440';
import type { Requirement } from './requirement.ts';

/** Does the version fulfil every clause (PEP 440)? Pre-releases count like others; a version that does not follow the PEP fulfils only `===`. */
export function fulfils(version: string, clauses: Requirement['specifier']): boolean {
  return clauses.every(({ operator, version: wanted }) =>
    operator === '===' ? version === wanted : satisfies(version, operator + wanted, { prereleases: true }),
  );
}

/** Does a Python such as `3.11` fulfil `Requires-Python`? A text that is no specifier excludes nothing, as installers have it. */
export function pythonFulfils(python: string, requiresPython: string | undefined): boolean {
  if (requiresPython === undefined || requiresPython.length > 1_000) return true;
  return (
    requiresPython
      .split(',')
      .map((clause) => clause.trim())
      .filter((clause) => /^(?:~=|==|!=|<=|>=|<|>)\s*v?\d/.test(clause))
      // A tag tells no third number, and a patch release is as new as need be: `>=3.9.1` does not exclude 3.9.
      .every(
        (clause) => satisfies(python, clause) || (/^(?:>=|>|~=)/.test(clause) && satisfies(`${python}.99`, clause)),
      )
  );
}
