import { ACTIONS, type Action, type Grant, matchesPatterns, type Resource } from '../model/access.ts';
import { Problem } from '../problem.ts';

const PROJECT_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]*\*?$/;
const APP_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._+-]*\*?$/;

/**
 * Does the grant allow the action? `admin` includes the others. A grant that is limited to some projects or applications has no
 * say over the server as a whole: not over its tokens, and not over lists that tell the names of everything.
 */
export function allows(grant: Grant, action: Action, on: Resource): boolean {
  if (!grant.can.includes(action) && !grant.can.includes('admin')) return false;
  if (on.kind === 'project') return matchesPatterns(on.name, grant.projects);
  if (on.kind === 'app') return matchesPatterns(on.name, grant.apps);
  return grant.projects === undefined && grant.apps === undefined;
}

/** Is everything that `inner` allows allowed by `outer` too? */
export function covers(outer: Grant, inner: Grant): boolean {
  const actions = outer.can.includes('admin') ? ACTIONS : outer.can;
  return (
    inner.can.every((action) => actions.includes(action)) &&
    within(inner.projects, outer.projects) &&
    within(inner.apps, outer.apps)
  );
}

/** A grant as people write it; null means the same as absent. */
export interface LooseGrant {
  readonly can: readonly Action[];
  readonly projects?: readonly string[] | null | undefined;
  readonly apps?: readonly string[] | null | undefined;
}

/**
 * The grant with its patterns in the form in which they are compared: project names normalised (PEP 503), duplicates gone, and
 * no list at all where `*` names everything. Throws `malformed-request`.
 */
export function normaliseGrant(grant: LooseGrant): Grant {
  const projects = patterns(grant.projects, 'projects', PROJECT_PATTERN)?.map((pattern) =>
    pattern.replace(/[-_.]+/g, '-').toLowerCase(),
  );
  const apps = patterns(grant.apps, 'apps', APP_PATTERN);
  return {
    can: ACTIONS.filter((action) => grant.can.includes(action)),
    ...(projects ? { projects: [...new Set(projects)] } : {}),
    ...(apps ? { apps: [...new Set(apps)] } : {}),
  };
}

function patterns(list: LooseGrant['projects'], member: string, shape: RegExp): readonly string[] | undefined {
  if (list === undefined || list === null || list.includes('*')) return undefined;
  const bad = list.findIndex((pattern) => !shape.test(pattern));
  if (bad >= 0) {
    const detail = 'Expected a name, or the beginning of names followed by "*".';
    throw new Problem('malformed-request', `A pattern in "${member}" is not valid. ${detail}`, {
      members: { errors: [{ pointer: `/${member}/${bad}`, detail }] },
    });
  }
  return list;
}

function within(inner: readonly string[] | undefined, outer: readonly string[] | undefined): boolean {
  if (outer === undefined) return true;
  if (inner === undefined) return false;
  return inner.every((pattern) => outer.some((wider) => patternWithin(pattern, wider)));
}

function patternWithin(pattern: string, wider: string): boolean {
  if (!wider.endsWith('*')) return pattern === wider;
  const start = wider.slice(0, -1);
  return (pattern.endsWith('*') ? pattern.slice(0, -1) : pattern).startsWith(start);
}
