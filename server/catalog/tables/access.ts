/** Tables of migration 0004. */
interface TokenTable {
  /** Public; sorts by the time it was made. */
  id: string;
  /** SHA-256 of the secret, hex. */
  secret_hash: string;
  name: string;
  /** `token`, or `trusted-publisher` for those that were exchanged for an identity token. */
  kind: string;
  /** JSON array of actions. */
  can: string;
  /** JSON arrays of patterns; null: not limited. */
  projects: string | null;
  apps: string | null;
  created_at: number;
  created_by: string;
  expires_at: number | null;
  /** Written in batches, so up to a minute late. */
  last_used_at: number | null;
}

/** Single numbers that all nodes share: `generation` grows with every revocation. */
interface AccessStateTable {
  name: string;
  value: number;
}

/** Identity tokens that were exchanged, kept until they cannot be accepted any more. */
interface OidcSeenTable {
  /** SHA-256 over issuer and token id. */
  id: string;
  forget_at: number;
}

export interface AccessTables {
  token: TokenTable;
  access_state: AccessStateTable;
  oidc_seen: OidcSeenTable;
}
