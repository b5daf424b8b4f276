/** What a principal may do. `admin` includes all others. */
export const ACTIONS = ['read', 'upload', 'bundle', 'admin'] as const;
export type Action = (typeof ACTIONS)[number];

/** Rights, with the names that they are limited to. A pattern is a name or ends in `*`; absent means every name. */
export interface Grant {
  readonly can: readonly Action[];
  /** Patterns over normalised project names. */
  readonly projects?: readonly string[];
  /** Patterns over application names. */
  readonly apps?: readonly string[];
}

/** Who asks, and what they may do. Immutable; safe to keep in a cache. */
export interface Principal extends Grant {
  readonly kind: 'anonymous' | 'token' | 'trusted-publisher';
  /** Name of the token; `anonymous` for nobody. What audit events say in `by`. */
  readonly name: string;
  /** Id of the token, when there is one in the catalog. */
  readonly tokenId?: string;
  /** When these rights end, in ms since 1970; absent: never. */
  readonly expiresAt?: number;
}

/** What an action is to be done to. `server`: everything that is not a project or an application. */
export type Resource =
  | { readonly kind: 'project'; readonly name: string }
  | { readonly kind: 'app'; readonly name: string }
  | { readonly kind: 'server' };

/** Who caused an audit event. */
export interface Actor {
  readonly name: string;
  readonly address?: string;
}

/** Does `name` match one of the patterns (`acme-*`, or a whole name)? No patterns: yes. */
export function matchesPatterns(name: string, patterns: readonly string[] | undefined): boolean {
  if (patterns === undefined) return true;
  return patterns.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
}
