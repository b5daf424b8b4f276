import { shown } from '../zip-file.ts';
import { invalidArchive } from './member-names.ts';

/** A path, its hash and its size; the path in quotes when it has a comma or a quote in it (CSV). */
const ROW = /^(?:"((?:[^"]|"")*)"|([^,"]*))(?:,|$)/;

/**
 * RECORD names every file of the wheel and nothing else, but for itself and its signatures (binary distribution format, PEP 427): what it leaves out is
 * installed without a trace. One that is empty says nothing of any file, and is taken, as wheels made by hand have it. `files`: every file in the wheel; `folder`: its `.dist-info`. Throws `invalid-archive`.
 */
export function checkRecord(record: Buffer, files: ReadonlySet<string>, folder: string): void {
  const listed = new Set<string>();
  for (const row of record.toString('utf8').split(/\r?\n/)) {
    if (row.trim() === '') continue;
    const [, quoted, plain] = ROW.exec(row) ?? [];
    const path = quoted === undefined ? plain : quoted.replaceAll('""', '"');
    if (path === undefined) throw invalidArchive(`A line of ${shown(folder)}/RECORD cannot be read.`);
    // Some tools list folders too, which installers pass over.
    if (!path.endsWith('/')) listed.add(path.replaceAll('\\', '/').replace(/^(?:\.\/)+/, ''));
  }
  if (listed.size === 0) return;
  const exempt = ['RECORD', 'RECORD.jws', 'RECORD.p7s'].map((name) => `${folder}/${name}`);
  for (const path of exempt) listed.delete(path);
  for (const path of files) {
    if (!exempt.includes(path) && !listed.delete(path)) {
      throw invalidArchive(`The wheel has a file that its RECORD does not name: ${shown(path)}.`);
    }
  }
  for (const path of listed) throw invalidArchive(`The wheel's RECORD names a file that is not there: ${shown(path)}.`);
}
