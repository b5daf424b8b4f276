import { projectName } from '../model/project-name.ts';
import { versionKey } from '../model/version.ts';
import { shown } from '../zip-file.ts';
import type { Claims } from './check-form.ts';
import { checkRecord } from './check-record.ts';
import { checkTarGz } from './check-tar.ts';
import { checkZip } from './check-zip.ts';
import { invalidArchive } from './member-names.ts';
import type { UploadRules } from './upload-rules.ts';

// Of the largest wheels, with some 100,000 files.
const MAX_RECORD_BYTES = 32 * 1024 * 1024;

/**
 * Reads the whole archive at `path`, unpacking nothing, and answers with the exact bytes of its core metadata. The archive is what its
 * name claims and means the same to every reader. Throws `invalid-archive`.
 */
export async function checkArchive(path: string, claims: Claims, rules: UploadRules): Promise<Buffer> {
  return claims.kind === 'wheel' ? await checkWheel(path, claims, rules) : await checkSdist(path, claims, rules);
}

/** One `.dist-info` folder at the top, of this project and version, with METADATA, WHEEL and RECORD, which tells the truth (PEP 427). */
async function checkWheel(path: string, claims: Claims, rules: UploadRules): Promise<Buffer> {
  const folders = new Set<string>();
  const files = new Set<string>();
  const contents = await checkZip(path, rules, (parts, member) => {
    const [top = '', name] = parts;
    if (!member.endsWith('/')) files.add(parts.join('/'));
    if (!/\.dist-info$/i.test(top)) return undefined;
    folders.add(top);
    if (parts.length !== 2) return undefined;
    return name === 'METADATA' ? rules.maxMetadataBytes : name === 'RECORD' ? MAX_RECORD_BYTES : undefined;
  });
  const [folder] = folders;
  if (folder === undefined) throw invalidArchive('The wheel has no .dist-info folder.');
  if (folders.size > 1) throw invalidArchive('The wheel has more than one .dist-info folder.');
  if (!folder.endsWith('.dist-info') || !isOf(folder.slice(0, -'.dist-info'.length), claims)) {
    throw invalidArchive(`The wheel's folder ${shown(folder)} is not that of ${claims.project} ${claims.version}.`);
  }
  for (const name of ['METADATA', 'WHEEL', 'RECORD']) {
    if (!files.has(`${folder}/${name}`)) throw invalidArchive(`The wheel has no ${shown(folder)}/${name}.`);
  }
  const contentOf = (name: string): Buffer => {
    const content = contents.get(`${folder}/${name}`);
    if (content === undefined) throw invalidArchive(`The wheel has no ${shown(folder)}/${name}.`);
    return content;
  };
  if (!rules.unrecordedFiles) checkRecord(contentOf('RECORD'), files, folder);
  return contentOf('METADATA');
}

/** One folder at the top, and in it PKG-INFO. */
async function checkSdist(path: string, claims: Claims, rules: UploadRules): Promise<Buffer> {
  const tops = new Set<string>();
  const wanted = (parts: readonly string[]): boolean => {
    const [top] = parts;
    if (top !== undefined) tops.add(top);
    return parts.length === 2 && parts[1] === 'PKG-INFO';
  };
  const contents = await (claims.format === 'zip'
    ? checkZip(path, rules, (parts) => (wanted(parts) ? rules.maxMetadataBytes : undefined))
    : checkTarGz(path, rules, wanted));
  if (tops.size > 1) throw invalidArchive('The sdist has more than one file or folder at its top.');
  const [metadata] = contents.values();
  if (metadata === undefined) throw invalidArchive('The sdist has no PKG-INFO in a folder at its top.');
  return metadata;
}

function isOf(stem: string, { project, version }: Claims): boolean {
  const at = stem.lastIndexOf('-');
  return (
    at > 0 &&
    projectName(stem.slice(0, at)) === project &&
    versionKey(stem.slice(at + 1).replaceAll('_', '-')) === versionKey(version)
  );
}
