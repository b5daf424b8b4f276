import type { Digest } from './digest.ts';
import type { Take } from './durable-folder.ts';
import type { ExtraHash } from './spool-hashes.ts';

/** What is said to the thread of spools. The orders of a spool are carried out as they come; only `begin` is answered before the next is given. */
export type SpoolOrder =
  | {
      readonly kind: 'begin';
      readonly id: number;
      readonly fd: number;
      /** Bytes that are in the file already, to be hashed first. */
      readonly size: number;
      readonly extra: readonly ExtraHash[];
      /** `extra`: compute these hashes alone, of what another thread writes. */
      readonly task: 'write' | 'extra';
    }
  /** `bytes` is memory that both threads see. */
  | { readonly kind: 'append'; readonly id: number; readonly bytes: Uint8Array; readonly position: number }
  | { readonly kind: 'finish'; readonly id: number }
  /** A new file of few bytes, durable at once. */
  | { readonly kind: 'write'; readonly id: number; readonly path: string; readonly bytes: Uint8Array }
  /** A file that is whole is to get its final name below `root`. */
  | { readonly kind: 'take'; readonly id: number; readonly root: string; readonly file: Take }
  | { readonly kind: 'abandon'; readonly id: number };

/** The hashes of all that a spool has. */
export interface FileHashes {
  readonly digest: Digest;
  readonly extra: Partial<Record<ExtraHash, string>>;
}

/** What the thread answers to each order but `abandon`, of one spool in their order. */
export type SpoolAnswer =
  | { readonly id: number; readonly done: true }
  | { readonly id: number; readonly hashes: FileHashes }
  | { readonly id: number; readonly extra: FileHashes['extra'] }
  | { readonly id: number; readonly failed: { readonly code: string | undefined; readonly message: string } };
