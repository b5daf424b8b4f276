import type { HeldFile } from '../catalog/holdings.ts';
import type { SourceRecord } from '../catalog/sources.ts';
import type { LockNote } from './lock.ts';
import { fitsTargets, type Target } from './targets.ts';

/** Something that an install would need and that is not here. */
export interface Missing {
  /** Of the project, or the address of a URL requirement whose project is not told. */
  readonly name: string;
  readonly version: string | null;
  readonly filename: string | null;
  /** One sentence. */
  readonly why: string;
  /** The targets that need it; absent when none were given. */
  readonly targets?: readonly string[];
}

/** Would the lock install with nothing but this server? */
export interface DrillResult {
  readonly ready: boolean;
  /** Files that are needed and here. */
  readonly present: number;
  /** At most 10,000 of them. */
  readonly missing: readonly Missing[];
  readonly missingCount: number;
  readonly targets: readonly { readonly target: string; readonly ready: boolean }[];
  readonly notes: readonly LockNote[];
}

// Ours: a list that nobody reads to its end.
const MAX_MISSING = 10_000;
const MAX_NOTES = 1_000;

/** Gathers what a drill finds. */
export class Findings {
  readonly #targets: readonly Target[];
  readonly #held = new Map<string, HeldFile>();
  readonly #sources = new Map<string, SourceRecord>();
  readonly #missing: Missing[] = [];
  readonly #notes: LockNote[] = [];
  readonly #spoiled = new Set<string>();
  #missingCount = 0;

  constructor(targets: readonly Target[]) {
    this.#targets = targets;
  }

  /** Stored files that are needed, each once. */
  get held(): readonly HeldFile[] {
    return [...this.#held.values()];
  }

  /** Kept sources that are needed, each once. */
  get sources(): readonly SourceRecord[] {
    return [...this.#sources.values()];
  }

  hold(file: HeldFile): void {
    this.#held.set(`${file.repository} ${file.project} ${file.filename}`, file);
  }

  holdSource(source: SourceRecord): void {
    this.#sources.set(`${source.project} ${source.filename}`, source);
  }

  /** Takes back what `hold` said. */
  lose(file: HeldFile): void {
    this.#held.delete(`${file.repository} ${file.project} ${file.filename}`);
  }

  loseSource(source: SourceRecord): void {
    this.#sources.delete(`${source.project} ${source.filename}`);
  }

  /** `target`: the only one that needs it; else those that its file name fits. */
  miss(missing: Omit<Missing, 'targets'>, target?: Target): void {
    this.#missingCount += 1;
    const { filename } = missing;
    const all = target === undefined ? this.#targets : [target];
    const hit = filename === null ? all : all.filter((each) => fitsTargets(filename, [each]));
    for (const each of hit) this.#spoiled.add(each.text);
    if (this.#missing.length >= MAX_MISSING) return;
    this.#missing.push(this.#targets.length === 0 ? missing : { ...missing, targets: hit.map(({ text }) => text) });
  }

  note(place: string, detail: string): void {
    if (this.#notes.length < MAX_NOTES) this.#notes.push({ place, detail });
  }

  result(): DrillResult {
    return {
      ready: this.#missingCount === 0,
      present: this.#held.size + this.#sources.size,
      missing: this.#missing,
      missingCount: this.#missingCount,
      targets: this.#targets.map(({ text }) => ({ target: text, ready: !this.#spoiled.has(text) })),
      notes: this.#notes,
    };
  }
}
