import { crc32, inflateRawSync } from 'node:zlib';
import { InflateError, inflatePart, readPart } from '../inflate.ts';
import { othersTurn } from '../others-turn.ts';
import { shown, withZip, ZipError, type ZipFile, type ZipMember } from '../zip-file.ts';
import { checkExpandedBytes, invalidArchive, MemberNames } from './member-names.ts';
import type { UploadRules } from './upload-rules.ts';

// Members up to these sizes are read in one go: a stream for each would cost more than their bytes.
const SMALL_BYTES = 256 * 1024;
// After so many bytes that were handled in one go, others get their turn.
const TURN_BYTES = 4 * 1024 * 1024;
// What a member costs beside its bytes, in bytes.
const HEADER_COST_BYTES = 16 * 1024;

/**
 * Reads the whole zip archive at `path`, keeping nothing but the members for which `wanted`, asked with their path and their name as it stands
 * there, says how large they may be: of these the content, by their path.
 * Takes only archives that every reader sees alike, whether it goes by the directory at the end or by the headers in order: see the functions
 * below, one a rule. Throws `invalid-archive`.
 */
export async function checkZip(
  path: string,
  rules: UploadRules,
  wanted: (parts: readonly string[], name: string) => number | undefined,
): Promise<ReadonlyMap<string, Buffer>> {
  try {
    return await withZip(path, async (zip) => {
      const names = new MemberNames();
      const members: ZipMember[] = [];
      const found: { readonly member: ZipMember; readonly path: string; readonly limit: number }[] = [];
      for await (const member of zip.members(rules.maxMembers)) {
        const parts = names.take(member.name);
        const limit = wanted(parts, member.name);
        if (limit !== undefined) found.push({ member, path: parts.join('/'), limit });
        members.push(member);
      }
      checkExpansion(members, zip.size, rules);
      await checkMembers(zip, members, await checkDirectory(zip, members));
      const contents = new Map<string, Buffer>();
      for (const { member, path: name, limit } of found) contents.set(name, await zip.content(member, limit));
      return contents;
    });
  } catch (error) {
    if (error instanceof ZipError) throw invalidArchive(error.message, error);
    throw error;
  }
}

/** A bomb is refused by what it says of itself; that it says the truth is checked while it is read. */
function checkExpansion(members: readonly ZipMember[], size: number, rules: UploadRules): void {
  const expanded = members.reduce((sum, member) => sum + member.size, 0);
  if (!Number.isSafeInteger(expanded)) throw invalidArchive('The sizes in the archive are not possible.');
  checkExpandedBytes(expanded, size, rules);
}

/** The directory fills the space up to its end record, which ends the file. Answers with where the directory begins. */
async function checkDirectory(zip: ZipFile, members: readonly ZipMember[]): Promise<number> {
  const endAt = zip.size - 22;
  const end = Buffer.from(await zip.bytes(endAt, 22));
  if (end.readUInt32LE(0) !== 0x06054b50)
    throw invalidArchive('The archive has a comment, or something follows its end.');
  let count = end.readUInt16LE(10);
  let length = end.readUInt32LE(12);
  let start = end.readUInt32LE(16);
  let directoryEnd = endAt;
  const locator = endAt < 76 ? undefined : Buffer.from(await zip.bytes(endAt - 20, 20));
  if (locator?.readUInt32LE(0) === 0x07064b50) {
    directoryEnd = endAt - 76;
    const record = Buffer.from(await zip.bytes(directoryEnd, 56));
    const isWhereItShouldBe = locator.readBigUInt64LE(8) === BigInt(directoryEnd);
    if (!isWhereItShouldBe || record.readUInt32LE(0) !== 0x06064b50 || record.readBigUInt64LE(4) !== 44n) {
      throw invalidArchive('The zip64 end of the archive is malformed.');
    }
    const big = [record.readBigUInt64LE(32), record.readBigUInt64LE(40), record.readBigUInt64LE(48)].map(Number);
    const [bigCount = 0, bigLength = 0, bigStart = 0] = big;
    // Readers that do not look for the zip64 record must not see another archive.
    if (
      (count !== 0xffff && count !== bigCount) ||
      (length !== 0xffffffff && length !== bigLength) ||
      (start !== 0xffffffff && start !== bigStart)
    ) {
      throw invalidArchive('The archive has two ends that disagree.');
    }
    [count, length, start] = [bigCount, bigLength, bigStart];
  }
  const actual = members.reduce((sum, member) => sum + member.recordLength, 0);
  if (count !== members.length || length !== actual || start + length !== directoryEnd) {
    throw invalidArchive('The directory of the archive is not as long as it should be.');
  }
  return start;
}

/**
 * Every member's own header says what the directory says, header and data follow each other without a gap from the first byte to
 * the directory, and every member's bytes are as many as it says and have the checksum that it says.
 */
async function checkMembers(zip: ZipFile, members: readonly ZipMember[], directory: number): Promise<void> {
  let next = 0;
  let handled = 0;
  for (const member of [...members].sort((a, b) => a.offset - b.offset)) {
    if (member.offset !== next) {
      throw invalidArchive('The archive has bytes that belong to no member, or members that overlap.');
    }
    const { start, end } = await checkLocalHeader(zip, member);
    const isSmall = member.compressedSize <= SMALL_BYTES && member.size <= SMALL_BYTES;
    const { crc, size } = isSmall ? await small(zip, member, start) : await large(zip, member, start);
    if (size !== member.size) throw invalidArchive(`Member ${shown(member.name)} is not as long as the archive says.`);
    if (crc !== member.crc32) throw invalidArchive(`Member ${shown(member.name)} is damaged: its checksum is wrong.`);
    next = end;
    handled += isSmall ? size + HEADER_COST_BYTES : 0;
    if (handled > TURN_BYTES) {
      handled = 0;
      await othersTurn();
    }
  }
  if (next !== directory) throw invalidArchive('The archive has bytes that belong to no member.');
}

async function checkLocalHeader(zip: ZipFile, member: ZipMember): Promise<{ start: number; end: number }> {
  const named = `Member ${shown(member.name)}`;
  const fixed = Buffer.from(await zip.bytes(member.offset, 30));
  if (fixed.readUInt32LE(0) !== 0x04034b50) throw invalidArchive(`${named} has no header of its own.`);
  const nameLength = fixed.readUInt16LE(26);
  const rest = Buffer.from(await zip.bytes(member.offset + 30, nameLength + fixed.readUInt16LE(28)));
  checkForm(member, named);
  if (!rest.subarray(0, nameLength).equals(member.rawName)) {
    throw invalidArchive(`${named} has another name in its own header.`);
  }
  if (fixed.readUInt16LE(6) !== member.flags || fixed.readUInt16LE(8) !== member.method) {
    throw invalidArchive(`${named} is described in two ways.`);
  }
  const start = member.offset + 30 + rest.length;
  const end = start + member.compressedSize;
  const isStreamed = (member.flags & 8) !== 0;
  const sizes = localSizes(fixed, rest.subarray(nameLength));
  const saysTheSame =
    fixed.readUInt32LE(14) === member.crc32 && sizes.compressed === member.compressedSize && sizes.size === member.size;
  if (!isStreamed && !saysTheSame)
    throw invalidArchive(`${named} has other sizes or another checksum in its own header.`);
  return { start, end: isStreamed ? end + (await descriptorLength(zip, member, end)) : end };
}

/** Compressed in a way that every installer can read, and named in a way that every installer reads alike. */
function checkForm(member: ZipMember, named: string): void {
  if ((member.flags & 1) !== 0) throw invalidArchive(`${named} is encrypted.`);
  if (member.method !== 0 && member.method !== 8)
    throw invalidArchive(`${named} is compressed by a method other than deflate.`);
  // Without its length in front, only deflate tells where it ends.
  if ((member.flags & 8) !== 0 && member.method === 0 && member.size > 0) {
    throw invalidArchive(`${named} is stored, but its size stands behind it.`);
  }
  if (member.hasUnicodePath && member.name !== member.rawName.toString('utf8')) {
    throw invalidArchive(`${named} has a second name.`);
  }
}

function localSizes(fixed: Buffer, extra: Buffer): { compressed: number; size: number } {
  let compressed = fixed.readUInt32LE(18);
  let size = fixed.readUInt32LE(22);
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1 || at + 4 + extra.readUInt16LE(at + 2) > extra.length) continue;
    const field = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
    const values = [0, 8].filter((from) => from + 8 <= field.length).map((from) => Number(field.readBigUInt64LE(from)));
    if (size === 0xffffffff) size = values.shift() ?? size;
    if (compressed === 0xffffffff) compressed = values.shift() ?? compressed;
    break;
  }
  return { compressed, size };
}

/** What stands behind the data of a streamed member: checksum and sizes of 4 or 8 bytes, with or without a signature. */
async function descriptorLength(zip: ZipFile, member: ZipMember, at: number): Promise<number> {
  const found = Buffer.from(await zip.bytes(at, Math.min(24, zip.size - at)));
  for (const wide of [false, true]) {
    for (const signed of [true, false]) {
      const wanted = Buffer.alloc((signed ? 4 : 0) + 4 + (wide ? 16 : 8));
      let to = signed ? wanted.writeUInt32LE(0x08074b50, 0) : 0;
      to = wanted.writeUInt32LE(member.crc32, to);
      for (const size of [member.compressedSize, member.size]) {
        to = wide ? wanted.writeBigUInt64LE(BigInt(size), to) : wanted.writeUInt32LE(size % 2 ** 32, to);
      }
      if (found.subarray(0, wanted.length).equals(wanted)) return wanted.length;
    }
  }
  throw invalidArchive(`Member ${shown(member.name)} has other sizes or another checksum behind its data.`);
}

async function small(zip: ZipFile, member: ZipMember, start: number): Promise<{ crc: number; size: number }> {
  const raw = await zip.bytes(start, member.compressedSize);
  if (member.method === 0) return { crc: crc32(raw), size: raw.length };
  try {
    // With `info`, Node answers with the engine too, which the types do not know.
    const options = { maxOutputLength: member.size + 1, info: true };
    const { buffer, engine } = inflateRawSync(raw, options) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    if (engine.bytesWritten !== raw.length) throw new InflateError('something follows the compressed data');
    return { crc: crc32(buffer), size: buffer.length };
  } catch (error) {
    throw invalidArchive(`Member ${shown(member.name)} cannot be decompressed.`, error);
  }
}

async function large(zip: ZipFile, member: ZipMember, start: number): Promise<{ crc: number; size: number }> {
  let crc = 0;
  let size = 0;
  const part = { path: zip.path, start, length: member.compressedSize };
  const take = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > member.size) throw new InflateError('more than the archive says');
    crc = crc32(chunk, crc);
  };
  try {
    await (member.method === 0 ? readPart(part, take) : inflatePart(part, take));
    return { crc, size };
  } catch (error) {
    if (!(error instanceof InflateError)) throw error;
    throw invalidArchive(`Member ${shown(member.name)} cannot be decompressed.`, error);
  }
}
