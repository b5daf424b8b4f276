/** Tables of the audit trail (migration 0003). */
interface EventTable {
  /** Sorts by time, unique: milliseconds in 13 digits, a counter, a random tail. */
  id: string;
  at: number;
  /** What happened, such as `upload`, `channel-promoted`. */
  kind: string;
  /** Name of the token or principal. */
  by: string;
  /** Address the request came from, or null for the server itself. */
  address: string | null;
  /** What it happened to: a project, a bundle, a token. */
  subject: string;
  /** JSON object with the rest. */
  detail: string;
}

export interface EventTables {
  event: EventTable;
}
