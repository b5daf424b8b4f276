import { type Action, matchesPatterns } from './access.ts';

/** Somebody else's CI that may exchange its identity token for one of ours: what its claims must be, and what it gets. */
export interface TrustedPublisher {
  /** Claim to value. A value may end in `*`. All must hold. */
  readonly claims: Readonly<Record<string, string>>;
  readonly can: readonly Action[];
  /** Patterns; null: not limited. */
  readonly projects: readonly string[] | null;
  readonly apps: readonly string[] | null;
}

/** Who signs identity tokens (OpenID Connect Discovery 1.0), and whom of theirs we trust. */
export interface OidcIssuer {
  /** Exactly what tokens say in `iss`, such as `https://ci.example`. */
  readonly issuer: string;
  /** Where its keys are; null: what its discovery document says. */
  readonly jwksUrl: string | null;
  /** By how many milliseconds its clock and ours may differ. */
  readonly leeway: number;
  /** The first whose claims match counts. */
  readonly grants: readonly TrustedPublisher[];
}

/** May an issuer's keys be fetched from there: by https, or by http on this machine? */
export function isSafeAddress({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname));
}

/** Would any token of the issuer do? Anybody can get one of a public issuer. */
export function trustsAnybody({ claims }: Pick<TrustedPublisher, 'claims'>): boolean {
  return Object.values(claims).every((value) => value === '*');
}

/** The first publisher whose claims the token bears, or `undefined`. A claim that is missing, or no plain value, matches nothing. */
export function findPublisher(
  publishers: readonly TrustedPublisher[],
  claims: Readonly<Record<string, unknown>>,
): TrustedPublisher | undefined {
  return publishers.find((publisher) =>
    Object.entries(publisher.claims).every(([claim, wanted]) => {
      const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined;
      const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
      return typeof text === 'string' && matchesPatterns(text, [wanted]);
    }),
  );
}
