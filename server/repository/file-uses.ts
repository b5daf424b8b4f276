import type { Catalog } from '../catalog/catalog.ts';
import { markFilesUsed, USE_GRAIN_MS } from '../catalog/file-uses.ts';
import type { StoredFile } from '../catalog/stored-files.ts';
import type { Clock } from '../clock.ts';
import { GatheredTimes } from '../gathered-times.ts';
import type { ProjectName } from '../model/project-name.ts';

/** Remembers, to the day, when files that came through upstreams were used last: eviction begins with what was used longest ago. */
export class FileUses {
  readonly #clock: Clock;
  readonly #times: GatheredTimes;

  /** `onFailure` is told when uses could not be written; they are kept for the next time. */
  constructor(parts: {
    readonly catalog: Catalog;
    readonly clock: Clock;
    readonly onFailure: (error: unknown) => void;
  }) {
    this.#clock = parts.clock;
    this.#times = new GatheredTimes({ ...parts, write: (times) => markFilesUsed(times.map(useOf)) });
  }

  /** Notes that a stored file is used now, unless that is known of the last day; from memory alone. */
  note(repository: string, project: ProjectName, { filename, usedAt }: Pick<StoredFile, 'filename' | 'usedAt'>): void {
    const now = this.#clock.nowMs();
    if (now - usedAt >= USE_GRAIN_MS) this.#times.note(`${repository}/${project}/${filename}`, now);
  }

  /** Writes what was noted. Throws what the catalog throws; then nothing is forgotten. */
  async flush(): Promise<void> {
    await this.#times.flush();
  }

  /** Begins to write once a minute, until `stop`. */
  start(): void {
    this.#times.start();
  }

  /** Ends the writing, after one last time. */
  async stop(): Promise<void> {
    await this.#times.stop();
  }
}

// Neither repositories nor projects have a slash in their names.
function useOf([key, at]: readonly [string, number]) {
  const [repository = '', project = '', ...filename] = key.split('/');
  return { repository, project, filename: filename.join('/'), at };
}
