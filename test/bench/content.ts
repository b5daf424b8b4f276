import { link, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../storage/digest.ts';
import { FakeProject } from '../support/fake-project.ts';
import { type BuiltFile, makeWheel, sha256Of } from '../support/wheel.ts';

/** A project of the benchmark's index: its name and the file of its newest release. */
export interface BenchProject {
  readonly name: string;
  readonly filename: string;
  readonly path: string;
  readonly version: string;
  readonly sha256: Digest;
}

const KB = 1000;
const MB = 1000 * KB;

interface Wanted {
  readonly name: string;
  /** Bytes of the newest release's wheel. */
  readonly bytes: number;
  /** How many files the page lists; only the newest is there. */
  readonly listed: number;
  readonly requires?: readonly string[];
}

/** Projects that are asked for one by one. */
export const SINGLES = {
  small: { name: 'small', bytes: 120 * KB, listed: 12 },
  usual: { name: 'usual', bytes: 120 * KB, listed: 110 },
  huge: { name: 'huge', bytes: 120 * KB, listed: 4300 },
  wheel25: { name: 'wheel-25', bytes: 25 * MB, listed: 12 },
  wheel50: { name: 'wheel-50', bytes: 50 * MB, listed: 12 },
  wheel200: { name: 'wheel-200', bytes: 200 * MB, listed: 12 },
  wheel200b: { name: 'wheel-200b', bytes: 200 * MB, listed: 12 },
} as const satisfies Readonly<Record<string, Wanted>>;

export type SingleName = keyof typeof SINGLES;

/** What to ask an installer for, to be given all of the closure. */
export const CLOSURE_ROOT = 'closure-00';
/** Distributions in the closure. */
export const CLOSURE_SIZE = 60;

/** Writes the index below `root` as files, such as nginx serves. */
export async function writeIndex(root: string): Promise<ReadonlyMap<string, BenchProject>> {
  const projects = new Map<string, BenchProject>();
  for (const wanted of [...Object.values(SINGLES), ...closure()]) {
    projects.set(wanted.name, await writeProject(root, wanted));
  }
  return projects;
}

/** What a lock of the usual size needs. */
export const MIRRORED = { count: 100, bytes: 3 * MB };

/** Writes the projects of such a lock below `root`, to be mirrored. `prefix`: of their names. */
export async function mirroredProjects(root: string, prefix: string): Promise<readonly BenchProject[]> {
  const projects: BenchProject[] = [];
  for (let index = 0; index < MIRRORED.count; index += 1) {
    const listed = LISTED[index % LISTED.length] ?? 1;
    projects.push(await writeProject(root, { name: `${prefix}-${index}`, bytes: MIRRORED.bytes, listed }));
  }
  return projects;
}

/** Writes a project below `root` whose `count` files all have the bytes of `like`; answers their paths below any server. */
export async function writeAlike(root: string, like: BenchProject, count: number): Promise<readonly string[]> {
  const name = 'alike';
  const folder = join(root, 'simple', name);
  await mkdir(folder, { recursive: true });
  const { size } = await stat(like.path);
  const page = new FakeProject(name, { filesAt: '', provenanceAt: '', serials: false });
  const paths: string[] = [];
  for (let release = 1; release <= count; release += 1) {
    const file = { ...absent(name, `1.${release}.0`), sha256: like.sha256 };
    page.add(file, { size });
    await link(like.path, join(folder, file.filename));
    paths.push(`/simple/${name}/${file.filename}`);
  }
  const { json, html } = page.snapshot();
  await writeFile(join(folder, 'index.json'), json);
  await writeFile(join(folder, 'index.html'), html);
  return paths;
}

/** A pin of a lock, and its file. */
export type BenchPin = Pick<BenchProject, 'name' | 'version' | 'sha256'>;

/** Writes projects of many small wheels below `root`: as many pins as asked for, at most a hundred of one project. */
export async function pinnedProjects(root: string, prefix: string, count: number): Promise<readonly BenchPin[]> {
  const pins: BenchPin[] = [];
  for (let project = 0; pins.length < count; project += 1) {
    const name = `${prefix}-${project}`;
    const folder = join(root, 'simple', name);
    await mkdir(folder, { recursive: true });
    const page = new FakeProject(name, { filesAt: '', provenanceAt: '', serials: false });
    for (let release = 0; release < 100 && pins.length < count; release += 1) {
      const wheel = makeWheel({ name, version: `1.${release}` });
      page.add(wheel);
      pins.push({ name, version: wheel.version, sha256: wheel.sha256 });
      await writeFile(join(folder, wheel.filename), wheel.bytes);
      await writeFile(join(folder, `${wheel.filename}.metadata`), wheel.metadata);
    }
    const { json, html } = page.snapshot();
    await writeFile(join(folder, 'index.json'), json);
    await writeFile(join(folder, 'index.html'), html);
  }
  return pins;
}

const SIZES = [20, 60, 120, 200, 400, 800, 1500, 3000, 30, 5000].map((size) => size * KB);
const LISTED = [8, 25, 60, 110, 160, 250, 40, 12, 90, 400];
// Where the pages of the cloud's clients stand among others.
const HUGE = new Set([13, 37]);

/** Sixty distributions of the usual sizes; each but the last ones needs two more. */
function closure(): Wanted[] {
  return Array.from({ length: CLOSURE_SIZE }, (_, index) => ({
    name: closureName(index),
    bytes: SIZES[index % SIZES.length] ?? KB,
    listed: HUGE.has(index) ? 4300 : (LISTED[(index * 7) % LISTED.length] ?? 1),
    requires: [2 * index + 1, 2 * index + 2]
      .filter((next) => next < CLOSURE_SIZE)
      .map((next) => `${closureName(next)}>=1.0`),
  }));
}

function closureName(index: number): string {
  return `closure-${String(index).padStart(2, '0')}`;
}

async function writeProject(root: string, { name, bytes, listed, requires = [] }: Wanted): Promise<BenchProject> {
  const folder = join(root, 'simple', name);
  await mkdir(folder, { recursive: true });
  const page = new FakeProject(name, { filesAt: '', provenanceAt: '', serials: false });
  for (let release = 1; release < listed; release += 1)
    page.add(absent(name, `1.${release}.0`), { size: bytes - release });
  const newest = makeWheel({
    name,
    version: `1.${listed}.0`,
    requiresDist: requires,
    requiresPython: '>=3.8',
    description: 'What a person would like to know of it.\n'.repeat(60),
    padding: bytes,
  });
  page.add(newest);
  const { json, html } = page.snapshot();
  await writeFile(join(folder, 'index.json'), json);
  await writeFile(join(folder, 'index.html'), html);
  await writeFile(join(folder, newest.filename), newest.bytes);
  await writeFile(join(folder, `${newest.filename}.metadata`), newest.metadata);
  const { filename, version, sha256 } = newest;
  return { name, filename, version, sha256, path: join(folder, filename) };
}

/** An earlier release, which is on the page and nowhere else. */
function absent(name: string, version: string): BuiltFile {
  const filename = `${name.replaceAll('-', '_')}-${version}-py3-none-any.whl`;
  const metadata = Buffer.from(filename);
  return {
    filename,
    bytes: Buffer.alloc(0),
    sha256: sha256Of(filename),
    metadata,
    name,
    version,
    requiresPython: '>=3.8',
  };
}
