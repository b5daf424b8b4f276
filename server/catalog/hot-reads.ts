import type { ProjectName } from '../model/project-name.ts';
import type { Catalog } from './catalog.ts';
import { KeptReads } from './kept-reads.ts';
import { findProjectState, type ProjectState } from './project-state.ts';
import type { Seen } from './seen.ts';
import { findStoredFile, findStoredMetadata, type StoredFile, type StoredMetadata } from './stored-files.ts';
import { tokenGeneration } from './tokens.ts';

/** What pages and files begin with. */
export interface ProjectReads {
  projectState(repository: string, name: ProjectName): Promise<ProjectState | undefined>;
  /** The same at once, where it is at hand and sure to hold; `undefined`: it has to be read. */
  projectStateNow?(repository: string, name: ProjectName): ProjectState | 'absent' | undefined;
  storedFile(repository: string, name: ProjectName, filename: string): Promise<StoredFile | undefined>;
  storedMetadata(repository: string, name: ProjectName, filename: string): Promise<StoredMetadata | undefined>;
}

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

/** The same reads of a catalog that is as near as the program itself: kept until something is written, where it can tell. */
export function hotReads(catalog: Catalog): HotReads {
  if (catalog.version !== undefined) return new KeptReads(catalog);
  return {
    projectState: (repository, name) => catalog.read(() => findProjectState(repository, name)),
    storedFile: (repository, name, filename) => catalog.read(() => findStoredFile(repository, name, filename)),
    storedMetadata: (repository, name, filename) => catalog.read(() => findStoredMetadata(repository, name, filename)),
    tokenGeneration: () => catalog.read(tokenGeneration),
    certain: () => {},
  };
}
