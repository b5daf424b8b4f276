import { isObject } from '../model/json.ts';

type Raw = Readonly<Record<string, unknown>>;

const DEFAULTS: Readonly<Record<string, Raw>> = { local: { kind: 'hosted' }, pypi: { kind: 'upstream' } };
const DEFAULT_INDEX = 'main';

/**
 * What was written, with what follows from it filled in, so that every key is optional where names belong together: the kind of a
 * repository that has an address, or a default's name; the defaults that an index names; for an index that lists none, every
 * repository, hosted ones first; and the only index as the default one. What is wrong stays as it is, for the check to tell.
 */
export function completed(raw: Raw): Record<string, unknown> {
  const hasRepositories = isObject(raw.repositories);
  const hasIndexes = isObject(raw.indexes);
  if (!hasRepositories && !hasIndexes) return { ...raw };
  const written = hasRepositories ? withKinds(raw.repositories as Raw) : DEFAULTS;
  const named = hasIndexes ? namedIn(raw.indexes as Raw) : [];
  const repositories = { ...written, ...missingDefaults(written, named) };
  if (!hasIndexes && !Object.values(repositories).some(isHosted))
    Object.assign(repositories, { local: DEFAULTS.local });
  const all = [...namesOf(repositories, true), ...namesOf(repositories, false)];
  const defaultIndex = typeof raw.defaultIndex === 'string' ? raw.defaultIndex : DEFAULT_INDEX;
  const indexes = hasIndexes ? withLists(raw.indexes as Raw, all) : { [defaultIndex]: { repositories: all } };
  const [only, ...others] = Object.keys(indexes);
  return {
    ...raw,
    repositories,
    indexes,
    ...(raw.defaultIndex === undefined && only !== undefined && others.length === 0 ? { defaultIndex: only } : {}),
  };
}

function withKinds(repositories: Raw): Raw {
  return Object.fromEntries(
    Object.entries(repositories).map(([name, repository]) => {
      if (!isObject(repository) || 'kind' in repository) return [name, repository];
      const kind = 'url' in repository ? 'upstream' : DEFAULTS[name]?.kind;
      return [name, kind === undefined ? repository : { kind, ...repository }];
    }),
  );
}

function namedIn(indexes: Raw): readonly string[] {
  return Object.values(indexes).flatMap((index) => {
    const names = isObject(index) ? index.repositories : undefined;
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  });
}

function missingDefaults(written: Raw, named: readonly string[]): Raw {
  return Object.fromEntries(Object.entries(DEFAULTS).filter(([name]) => named.includes(name) && !(name in written)));
}

function withLists(indexes: Raw, all: readonly string[]): Raw {
  return Object.fromEntries(
    Object.entries(indexes).map(([name, index]) => [
      name,
      isObject(index) && index.repositories === undefined ? { ...index, repositories: all } : index,
    ]),
  );
}

function namesOf(repositories: Raw, hosted: boolean): string[] {
  return Object.keys(repositories).filter((name) => isHosted(repositories[name]) === hosted);
}

function isHosted(repository: unknown): boolean {
  return isObject(repository) && repository.kind === 'hosted';
}
