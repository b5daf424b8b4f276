import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Catalog } from '../../server/catalog/catalog.ts';
import { findHostedPage } from '../../server/catalog/hosted.ts';
import { createBlobKeeper } from '../../server/keep-blobs.ts';
import type { ProjectDetail } from '../../server/model/distribution-file.ts';
import type { ProjectName } from '../../server/model/project-name.ts';
import { Uploads } from '../../server/uploads/upload.ts';
import type { UploadRules } from '../../server/uploads/upload-rules.ts';
import type { BlobStore } from '../../storage/blob-store.ts';
import { FakeClock } from './fake-clock.ts';
import { MemoryStore } from './memory-store.ts';
import { tempDir } from './temp-dir.ts';
import { testCatalog } from './test-catalog.ts';
import { type BuiltFile, sha256Of } from './wheel.ts';

export interface TestUploads {
  readonly uploads: Uploads;
  readonly catalog: Catalog;
  readonly blobs: MemoryStore;
  readonly clock: FakeClock;
  readonly spoolDir: string;
  /** Publishes a file as a client would that fills in the form rightly; `form` overrules fields. */
  publish(file: BuiltFile, form?: Readonly<Record<string, string>>): Promise<'published' | 'unchanged'>;
  page(project: string): Promise<ProjectDetail | undefined>;
  /** Names of files left in the spool folder. */
  leftovers(): Promise<string[]>;
}

/** Uploading on a catalog and a store in memory, into the repository `local`. */
export async function testUploads(
  t: { after(fn: () => Promise<void>): void },
  options: {
    readonly catalog?: Catalog;
    readonly blobs?: MemoryStore;
    readonly rules?: Partial<UploadRules>;
    /** Puts something in front of the store. */
    readonly store?: (real: MemoryStore) => Pick<BlobStore, 'put'>;
  } = {},
): Promise<TestUploads> {
  const catalog = options.catalog ?? (await testCatalog(t));
  const blobs = options.blobs ?? new MemoryStore();
  const clock = new FakeClock();
  const spoolDir = await tempDir(t);
  const keeper = createBlobKeeper({ catalog, blobs: options.store?.(blobs) ?? blobs, clock });
  const uploads = new Uploads({ catalog, keeper, clock, spoolDir, ...(options.rules ? { rules: options.rules } : {}) });
  let count = 0;
  return {
    uploads,
    catalog,
    blobs,
    clock,
    spoolDir,
    publish: async (file, form = {}) => {
      count += 1;
      const path = join(spoolDir, `upload-${count}`);
      await writeFile(path, file.bytes);
      const fields = new Map(Object.entries({ ...formOf(file), ...form }).map(([name, value]) => [name, [value]]));
      const claims = uploads.claims(fields, file.filename);
      const spooled = { digest: sha256Of(file.bytes), size: file.bytes.length, path };
      return await uploads.publish({
        repository: 'local',
        claims,
        fields,
        spooled,
        hashes: {},
        actor: { name: 'ci', address: '127.0.0.1' },
      });
    },
    page: (project) => catalog.read(() => findHostedPage('local', project as ProjectName)),
    leftovers: async () => (await readdir(spoolDir)).filter((name) => name.endsWith('.spool')),
  };
}

/** The fields that every client sends with a file. */
export function formOf(file: BuiltFile): Record<string, string> {
  const isWheel = file.filename.endsWith('.whl');
  return {
    ':action': 'file_upload',
    protocol_version: '1',
    metadata_version: '2.2',
    name: file.name,
    version: file.version,
    filetype: isWheel ? 'bdist_wheel' : 'sdist',
    pyversion: isWheel ? (file.filename.split('-').at(-3) ?? '') : 'source',
    sha256_digest: file.sha256,
  };
}
