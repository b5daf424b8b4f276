import type { ProjectName } from './project-name.ts';

/** Algorithm (lower case, as in the simple API) to lower-case hex. */
export type Hashes = Readonly<Record<string, string>>;

export const PROJECT_STATUSES = ['active', 'archived', 'quarantined', 'deprecated'] as const;
/** PEP 792. */
export type ProjectStatus = (typeof PROJECT_STATUSES)[number];

/** One distribution file as a project page lists it. What is unknown is absent, never null. */
export interface DistributionFile {
  readonly filename: string;
  readonly hashes: Hashes;
  /** Raw specifier, not escaped. */
  readonly requiresPython?: string;
  /** Bytes. */
  readonly size?: number;
  /** RFC 3339 in UTC, as upstream gave it or as we set it. PEP 700. */
  readonly uploadTime?: string;
  /** By when it was uploaded, milliseconds, where upstream tells no time: it was on the page that came then. Never rendered. */
  readonly seenAt?: number;
  /** `true`, or the reason (never an empty string). PEP 592. */
  readonly yanked?: true | string;
  /** Its core metadata can be had at `<filename>.metadata`: `true`, or with hashes. PEP 658, 714. */
  readonly coreMetadata?: true | Hashes;
  /** Absolute address of the provenance object at upstream, or of ours. PEP 740. */
  readonly provenance?: string;
  /** Where the bytes are at upstream, absolute. Never rendered. */
  readonly url?: string;
  /** Keys of the JSON page that we do not know; passed on as they came. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** A project page, whatever stands behind it. */
export interface ProjectDetail {
  readonly name: ProjectName;
  readonly status?: ProjectStatus;
  readonly statusReason?: string;
  /** Versions that have files, and those upstream lists without. No duplicates. */
  readonly versions: readonly string[];
  readonly files: readonly DistributionFile[];
  /** Unknown top-level keys of an upstream's JSON page (none that begins with `_`). */
  readonly extra?: Readonly<Record<string, unknown>>;
}
