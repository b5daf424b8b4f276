import type { FileHandle } from 'node:fs/promises';
import type { ContainedDistribution } from '../model/bundle.ts';
import type { ArchiveCaps } from './archive-error.ts';
import type { ArchiveKind } from './read-archive.ts';

/** To inflate more than that takes longer than anybody waits for an answer. */
export const LATE_BYTES = 32 * 1024 * 1024;

/** What the thread that reads archives is told. `begin` comes first, then any number of `grown`, then one of the others. */
export type ArchiveOrder =
  | {
      readonly kind: 'begin';
      readonly id: number;
      /** Handed over: the thread closes it. */
      readonly file: FileHandle;
      readonly archive: ArchiveKind;
      readonly size: number;
      /** Is reading that falls far behind to go on only when the file is complete? */
      readonly mayBePutOff: boolean;
      readonly caps: ArchiveCaps;
    }
  | { readonly kind: 'grown'; readonly id: number; readonly size: number }
  | { readonly kind: 'finished'; readonly id: number; readonly size: number }
  | { readonly kind: 'abandon'; readonly id: number; readonly reason: string };

/**
 * Its one answer to each `begin`: what is inside, why the archive cannot be read, or what failed that is no fault of the archive.
 * Before that, `late`: much is left to be read when the file is complete, or reading was put off until then.
 */
export type ArchiveAnswer =
  | { readonly id: number; readonly late: true }
  | { readonly id: number; readonly distributions: readonly ContainedDistribution[] }
  | { readonly id: number; readonly unreadable: string }
  | { readonly id: number; readonly failed: string };
