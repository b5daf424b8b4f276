import { access, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type OpenedBlobStore, openBlobStore } from '../storage/open.ts';
import { sweepSpools } from '../storage/spool.ts';
import type { Catalog } from './catalog/catalog.ts';
import { lockFile } from './catalog/lock-file.ts';
import { readMigrations } from './catalog/migrate.ts';
import { openCatalog } from './catalog/open.ts';
import { tableShapes } from './catalog/table-shapes.ts';
import { systemClock } from './clock.ts';
import { loadConfig } from './config/load.ts';
import type { Config } from './config/schema.ts';
import { createLogger } from './log.ts';
import { MoveError } from './moving/errors.ts';
import { isSameCatalog, type MoveOutcome, type MoveProgress, move } from './moving/move.ts';
import { moveBytes } from './moving/move-bytes.ts';

export interface MoveOrder {
  /** Configuration file of the cellar; else as `stormcellar serve` finds it. */
  readonly config?: string;
  /** Configuration file of the copy. The environment counts only where it says `{"$env": …}`. */
  readonly to: string;
  readonly leaveDamaged: boolean;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: MoveProgress) => void;
}

const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url));
/** A spool that nobody has written to for so long belongs to a move that has died. Milliseconds. */
const ABANDONED_MS = 60 * 60_000;

/** Copies a cellar to other engines (server/moving/move.ts). Throws `ConfigError`, `MoveError`, and what engines throw, in sentences. */
export async function moveCellar(order: MoveOrder): Promise<MoveOutcome> {
  const { config, to, signal, leaveDamaged, onProgress } = order;
  const source = await loadConfig(config === undefined ? {} : { file: config });
  const target = await loadConfig({ file: to, variables: 'references' });
  await checkSource(source);
  const spoolDir = join(target.dataDir, 'moving');
  await mkdir(spoolDir, { recursive: true });
  const open: { close(): Promise<void> }[] = [alone(spoolDir)];
  try {
    await sweepSpools(spoolDir, systemClock.nowMs() - ABANDONED_MS);
    const from = await openCellar(source, open);
    const into = await openCellar(target, open);
    const tables = tableShapes(await readMigrations(MIGRATIONS));
    const isSameStore = placeOf(source) === placeOf(target);
    const common = { spoolDir, clock: systemClock, signal, leaveDamaged, onProgress };
    if (!(await isSameCatalog(from.catalog, into.catalog, systemClock))) {
      return await move({ ...common, from, to: into, tables, isSameStore });
    }
    const table = tables.find(({ name }) => name === 'blob');
    if (isSameStore || table === undefined) throw new MoveError('Both configurations name the same cellar.');
    const bytes = { catalog: from.catalog, from: from.blobs, to: into.blobs, place: placeOf(target), table };
    return await moveBytes({ ...common, ...bytes });
  } finally {
    for (const part of open.reverse()) await part.close();
  }
}

/** Of two moves, the one that ends later would take away what the copy's servers have written since the other has ended. */
function alone(dir: string): { close(): Promise<void> } {
  const letGo = lockFile(join(dir, 'in-use'));
  if (letGo === undefined) throw new MoveError(`Another "stormcellar move" to this configuration is at work.`);
  return { close: async () => letGo() };
}

async function openCellar(
  config: Config,
  open: { close(): Promise<void> }[],
): Promise<{ readonly catalog: Catalog; readonly blobs: OpenedBlobStore }> {
  const log = createLogger({ level: 'silent' });
  const { dataDir, storage, limits } = config;
  const catalog = await openCatalog(config.catalog, { dataDir, migrationsDir: MIGRATIONS, clock: systemClock, log });
  open.push(catalog);
  const blobs = await openBlobStore(
    // Every blob passes once: copies of them would push out what a node serves often.
    storage.kind === 's3' ? { ...storage, cacheBytes: 0 } : { kind: 'disk', dir: join(dataDir, 'blobs') },
    { spoolDir: join(dataDir, 'moving'), minFreeBytes: limits.minFreeBytes, memoryBytes: 0 },
  );
  open.push(blobs);
  return { catalog, blobs };
}

/** A mistyped path must not become an empty cellar that is then moved. */
async function checkSource({ catalog, dataDir }: Config): Promise<void> {
  if (catalog.kind !== 'sqlite') return;
  try {
    await access(join(dataDir, 'catalog.sqlite'));
  } catch (cause) {
    throw new MoveError(`There is no cellar in ${dataDir}.`, { cause });
  }
}

/** Says whether two configurations keep their bytes at one place. */
function placeOf({ storage, dataDir }: Config): string {
  if (storage.kind === 'disk') return resolve(dataDir, 'blobs');
  return JSON.stringify([storage.endpoint?.replace(/\/+$/, '') ?? null, storage.bucket, storage.prefix]);
}
