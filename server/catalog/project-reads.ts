import type { ProjectName } from '../model/project-name.ts';
import type { ProjectState } from './project-state.ts';
import type { StoredFile, StoredMetadata } from './stored-files.ts';

/** What pages and files begin with. */
export interface ProjectReads {
  projectState(repository: string, name: ProjectName): Promise<ProjectState | undefined>;
  /** The same at once, where it is at hand and sure to hold; `undefined`: it has to be read. */
  projectStateNow?(repository: string, name: ProjectName): ProjectState | 'absent' | undefined;
  storedFile(repository: string, name: ProjectName, filename: string): Promise<StoredFile | undefined>;
  storedMetadata(repository: string, name: ProjectName, filename: string): Promise<StoredMetadata | undefined>;
}
