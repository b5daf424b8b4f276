import { stat } from 'node:fs/promises';
import { GzipError, gunzipFile } from '../gzip-file.ts';
import { TarError } from '../tar-header.ts';
import { type TarMember, TarWalker } from '../tar-walker.ts';
import { checkExpandedBytes, invalidArchive, MemberNames } from './member-names.ts';
import type { UploadRules } from './upload-rules.ts';

/**
 * Reads the whole `.tar.gz` at `path`, keeping nothing but the members that `wanted` names by their path: of these the content. Every name and
 * every link stays inside, there are files, folders and links only, and nothing before, between or behind. Throws
 * `invalid-archive`.
 */
export async function checkTarGz(
  path: string,
  rules: UploadRules,
  wanted: (parts: readonly string[]) => boolean,
): Promise<ReadonlyMap<string, Buffer>> {
  const { size } = await stat(path);
  const names = new MemberNames();
  const found = new Map<string, Buffer[]>();
  let members = 0;
  let expanded = 0;
  const walker = new TarWalker((member) => {
    members += 1;
    if (members > rules.maxMembers) throw invalidArchive(`The archive has more than ${rules.maxMembers} members.`);
    const parts = names.take(member.name);
    if (member.type !== 'file') {
      takeLink(names, member, parts);
      return undefined;
    }
    if (!wanted(parts)) return undefined;
    if (member.size > rules.maxMetadataBytes) {
      throw invalidArchive(`The core metadata are larger than ${rules.maxMetadataBytes} bytes.`);
    }
    const pieces: Buffer[] = [];
    found.set(parts.join('/'), pieces);
    return (piece) => pieces.push(Buffer.from(piece));
  });
  try {
    await gunzipFile(path, (chunk) => {
      expanded += chunk.length;
      checkExpandedBytes(expanded, size, rules);
      walker.write(chunk);
    });
    walker.end();
  } catch (error) {
    if (error instanceof TarError || error instanceof GzipError) throw invalidArchive(error.message, error);
    throw error;
  }
  names.finish();
  return new Map([...found].map(([name, pieces]) => [name, Buffer.concat(pieces)]));
}

function takeLink(names: MemberNames, member: TarMember, parts: readonly string[]): void {
  if (member.type === 'directory') return;
  names.takeLink(parts, member.linkName, member.type === 'link' ? 'top' : 'folder');
}
