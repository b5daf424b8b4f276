import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Spooled } from '../../../storage/blob-store.ts';
import { Spool } from '../../../storage/spool.ts';
import type { ProjectName } from '../../model/project-name.ts';
import { parseVersion } from '../../model/version.ts';
import { Problem } from '../../problem.ts';
import { shown } from '../lock.ts';
import { type GitCommit, versionOfTags } from './git-fetch.ts';
import type { GitSettings } from './git-run.ts';
import { listTree, type ObjectReader, type TreeCaps, type TreeEntry, withObjects } from './git-tree.ts';
import { TAR_END, tarMember, tarPadding } from './tar-member.ts';
import { asksVersionControl, nameIn, TOLD_BY } from './told-by-files.ts';

export interface GitArchiveOrder {
  readonly commit: GitCommit;
  /** When the lock tells it; else it is read from the repository. */
  readonly project: ProjectName | undefined;
  /** Of the project, when the lock tells it. */
  readonly version: string | undefined;
  /** The folder that is built. */
  readonly subdirectory: string | undefined;
  /** The archive is to have this folder at its top, and nothing around it. */
  readonly atTop: true | undefined;
}

/** A commit as an archive that installers build. */
export interface GitArchive {
  readonly spooled: Spooled;
  readonly project: ProjectName;
  readonly filename: string;
  /** What the archive lacks or differs in: sentences. */
  readonly notes: readonly string[];
  discard(): Promise<void>;
}

// The oldest time that a zip archive, and so a wheel that is built of it, can hold.
const EARLIEST_S = 315_532_800;
// A pointer of Git LFS has less (its specification, version 1).
const MAX_POINTER_BYTES = 1024;
const LFS = 'version https://git-lfs.github.com/spec/v1';
const SHOWN = 5;

/**
 * Packs a commit as `{project}-{commit}.tar.gz` with one top folder: the same commit gives the same tar on every machine (order, times and
 * modes are the commit's, not the checkout's). Where the project asks version control for its version, which an archive has not, a
 * PKG-INFO says it, as in an sdist. Throws `Problem`.
 */
export async function packCommit(
  order: GitArchiveOrder,
  settings: GitSettings,
  parts: { readonly spoolDir: string; readonly caps: TreeCaps },
): Promise<GitArchive> {
  const { commit, subdirectory, atTop } = order;
  const tree = await listTree(commit.commit, settings, parts.caps);
  const folder = subdirectory === undefined ? '' : `${subdirectory.replace(/^(?:\.?\/)+|\/+$/g, '')}/`;
  const inside = tree.filter(({ path }) => path.startsWith(folder));
  if (inside.length === 0 && folder !== '')
    throw new Problem('source-not-found', `The commit has no folder ${shown(folder)}.`);
  const entries = atTop ? inside.map((entry) => ({ ...entry, path: entry.path.slice(folder.length) })) : tree;
  const below = atTop ? '' : folder;
  const spool = await Spool.create(parts.spoolDir, { maxBytes: parts.caps.maxBytes });
  try {
    return await withObjects(settings, async (objects) => {
      const told = await readTold(entries, below, objects);
      const project = order.project ?? nameIn(told);
      if (project === undefined)
        throw new Problem(
          'not-accepted',
          'Neither the lock nor the repository tells the name of the project: write NAME @ git+https://…',
        );
      const time = await commitTime(commit.commit, objects);
      const version = parseVersion(order.version ?? versionOfTags(commit.tags) ?? '')?.text;
      const needsVersion = asksVersionControl(told) && !told.has('PKG-INFO');
      const isTold = needsVersion && version !== undefined;
      const escaped = project.replaceAll('-', '_');
      const top = atTop ? `-${folder.replace(/[^A-Za-z0-9]+/g, '.')}top` : '';
      const stem = `${escaped}-${isTold ? `${version}-` : ''}${commit.commit}${top}`;
      const info = isTold ? { path: `${below}PKG-INFO`, text: pkgInfo(project, version) } : undefined;
      const notes = await write(entries, { objects, spool, top: stem, time, info });
      if (atTop)
        notes.push(`the archive has the folder ${shown(folder)} alone, since the lock's tool looks into no folders`);
      if (needsVersion && !isTold)
        notes.push(
          'the project asks version control for its version, which an archive has not: build it from a tag, or lock its version',
        );
      return {
        spooled: await spool.finish(),
        project,
        filename: `${stem}.tar.gz`,
        notes,
        discard: () => spool.discard(),
      };
    });
  } catch (error) {
    await spool.discard();
    throw error;
  }
}

function pkgInfo(project: ProjectName, version: string): string {
  return `Metadata-Version: 1.0\nName: ${project}\nVersion: ${version}\n`;
}

async function readTold(
  entries: readonly TreeEntry[],
  below: string,
  objects: ObjectReader,
): Promise<ReadonlyMap<string, string>> {
  const told = new Map<string, string>();
  for (const name of TOLD_BY) {
    const entry = entries.find(({ path }) => path === below + name);
    if (entry === undefined || entry.kind === 'link' || entry.size > 1024 * 1024) continue;
    told.set(name, (await whole(objects.read(entry.id))).toString('utf8'));
  }
  return told;
}

async function commitTime(commit: string, objects: ObjectReader): Promise<Date> {
  const text = (await whole(objects.read(commit))).toString('utf8');
  const seconds = Number(/^committer .* (\d+) [+-]\d{4}$/m.exec(text)?.[1] ?? EARLIEST_S);
  return new Date(Math.max(seconds, EARLIEST_S) * 1000);
}

async function whole(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

interface Writing {
  readonly objects: ObjectReader;
  readonly spool: Spool;
  readonly top: string;
  readonly time: Date;
  readonly info: { readonly path: string; readonly text: string } | undefined;
}

/** Writes the archive; answers what had to be left out. */
async function write(entries: readonly TreeEntry[], { objects, spool, top, time, info }: Writing): Promise<string[]> {
  const left = { submodules: [] as string[], links: [] as string[], pointers: [] as string[] };
  async function* tar(): AsyncGenerator<Buffer> {
    for (const { path, kind, id, size } of entries) {
      const name = `${top}/${path}`;
      if (kind === 'submodule') left.submodules.push(path);
      else if (kind === 'link') {
        const linkName = (await whole(objects.read(id))).toString('utf8');
        if (staysInside(path, linkName)) yield tarMember({ name, time, mode: 0o777, size: 0, linkName });
        else left.links.push(path);
      } else {
        yield tarMember({ name, time, size, mode: kind === 'executable' ? 0o755 : 0o644 });
        let head = '';
        for await (const piece of objects.read(id)) {
          if (size < MAX_POINTER_BYTES && head.length < LFS.length) head += piece.toString('latin1');
          yield piece;
        }
        yield tarPadding(size);
        if (head.startsWith(LFS)) left.pointers.push(path);
      }
    }
    if (info !== undefined) {
      const text = Buffer.from(info.text);
      const size = text.length;
      yield Buffer.concat([
        tarMember({ name: `${top}/${info.path}`, time, size, mode: 0o644 }),
        text,
        tarPadding(size),
      ]);
    }
    yield TAR_END;
  }
  // No name and no time in the header, so that the same content has the same bytes.
  await pipeline(tar, createGzip({ level: 6 }), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) await spool.write(chunk);
  });
  return notesOf(left);
}

function staysInside(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  const folder = path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') {
      if (folder.pop() === undefined) return false;
    } else if (part !== '' && part !== '.') folder.push(part);
  }
  return true;
}

function notesOf(left: { submodules: string[]; links: string[]; pointers: string[] }): string[] {
  const list = (paths: readonly string[]): string =>
    paths.slice(0, SHOWN).map(shown).join(', ') + (paths.length > SHOWN ? ` and ${paths.length - SHOWN} more` : '');
  const notes: string[] = [];
  if (left.pointers.length > 0)
    notes.push(`Git LFS has the content of these files, and the archive only pointers to it: ${list(left.pointers)}`);
  if (left.submodules.length > 0) notes.push(`submodules are not in the archive: ${list(left.submodules)}`);
  if (left.links.length > 0)
    notes.push(`links that lead out of the repository are not in the archive: ${list(left.links)}`);
  return notes;
}
