import type { ProjectName } from '../model/project-name.ts';
import type { ProjectReads } from './project-reads.ts';
import type { Seen } from './seen.ts';

/**
 * The reads that every page and every file begin with. Of a catalog that nodes share, they may be answered from memory while it is away
 * (see `LastKnown`); such an answer is marked `isRemembered`. Never for what writes.
 */
export interface HotReads extends ProjectReads {
  /**
   * What all repositories hold of a project, and of the file of that name, and the generation of tokens: in one read, where reads go
   * over a line. What it answers tells of this project and file alone, as they were when it was made.
   */
  see?(name: ProjectName, filename?: string): Promise<Seen>;
  tokenGeneration(): Promise<number>;
  /**
   * Throws `CatalogUnavailableError` while the catalog is away: what is remembered may say what there is, and not that something is
   * not there.
   */
  certain(): void;
}
