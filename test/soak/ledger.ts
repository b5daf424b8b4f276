import type { Digest } from '../../storage/digest.ts';

const SHOWN = 3;

/** What the cellar has promised so far, by what it answered, and where it broke its word. */
export class Ledger {
  /** Projects whose page came. */
  readonly pages = new Set<string>();
  /** Files of the upstream that came whole, by name. */
  readonly files = new Set<string>();
  /** Uploads that were acknowledged: paths and their bytes' digests. */
  readonly uploads = new Map<string, Digest>();
  /** Bundles that were acknowledged, likewise. */
  readonly bundles = new Map<string, Digest>();
  requests = 0;
  readonly #faults = new Map<string, number>();

  /** Faults so far: a sentence, and how often. */
  get faults(): ReadonlyMap<string, number> {
    return this.#faults;
  }

  /** Notes a fault, and says so when it is among the first of its kind. */
  fault(kind: string, detail: string): void {
    const count = (this.#faults.get(kind) ?? 0) + 1;
    this.#faults.set(kind, count);
    if (count <= SHOWN) process.stdout.write(`${new Date().toISOString()} ${kind}: ${detail}\n`);
  }
}
