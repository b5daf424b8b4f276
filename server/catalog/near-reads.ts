import type { Catalog } from './catalog.ts';
import type { HotReads } from './hot-reads.ts';
import { KeptReads } from './kept-reads.ts';
import { findProjectState } from './project-state.ts';
import { findStoredFile, findStoredMetadata } from './stored-files.ts';
import { tokenGeneration } from './tokens.ts';

/** The hot reads of a catalog that is as near as the program itself: kept until something is written, where it can tell. */
export function nearReads(catalog: Catalog): HotReads {
  if (catalog.version !== undefined) return new KeptReads(catalog);
  return {
    projectState: (repository, name) => catalog.read(() => findProjectState(repository, name)),
    storedFile: (repository, name, filename) => catalog.read(() => findStoredFile(repository, name, filename)),
    storedMetadata: (repository, name, filename) => catalog.read(() => findStoredMetadata(repository, name, filename)),
    tokenGeneration: () => catalog.read(tokenGeneration),
    certain: () => {},
  };
}
