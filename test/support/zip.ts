import { crc32, deflateRawSync } from 'node:zlib';

/** A member of a zip archive in the making; what is left out is as an honest tool would write it. */
export interface ZipPart {
  readonly name: string | Buffer;
  readonly data?: string | Buffer;
  readonly stored?: boolean;
  /** What only the local header says. */
  readonly localName?: string;
  readonly localSize?: number;
  readonly crc?: number;
  /** The uncompressed size that both headers claim. */
  readonly size?: number;
  readonly flags?: number;
  readonly method?: number;
  /** Unix mode, for symbolic links. */
  readonly mode?: number;
  readonly descriptor?: boolean;
  /** Bytes put in front of the local header, or behind the data, that no header speaks of. */
  readonly before?: Buffer;
  readonly after?: Buffer;
  /** Left out of the directory, or of the local part. */
  readonly hidden?: boolean;
  /** Bytes after the end of the deflate stream that still count as compressed data. */
  readonly slack?: Buffer;
}

/** A zip archive byte by byte, lies included. */
export function zipOf(
  parts: readonly ZipPart[],
  lies: { readonly comment?: string; readonly count?: number; readonly directoryGap?: Buffer } = {},
): Buffer {
  const body: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  const push = (...chunks: Buffer[]): void => {
    for (const chunk of chunks) {
      body.push(chunk);
      offset += chunk.length;
    }
  };
  for (const part of parts) {
    if (part.before) push(part.before);
    const at = offset;
    const name = Buffer.from(part.name);
    const localName = Buffer.from(part.localName ?? part.name);
    const data = Buffer.from(part.data ?? '');
    const packed = Buffer.concat([part.stored === true ? data : deflateRawSync(data), part.slack ?? Buffer.alloc(0)]);
    const crc = part.crc ?? crc32(data);
    const size = part.size ?? data.length;
    const method = part.method ?? (part.stored === true ? 0 : 8);
    const flags = (part.flags ?? 0) | (part.descriptor === true ? 8 : 0) | 0x800;
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(20, 4);
    local.writeUInt16LE(flags, 6);
    local.writeUInt16LE(method, 8);
    if (part.descriptor !== true) {
      local.writeUInt32LE(crc, 14);
      local.writeUInt32LE(packed.length, 18);
      local.writeUInt32LE(part.localSize ?? size, 22);
    }
    local.writeUInt16LE(localName.length, 26);
    push(local, localName, packed);
    if (part.descriptor === true) {
      const descriptor = Buffer.alloc(16);
      descriptor.writeUInt32LE(0x08074b50, 0);
      descriptor.writeUInt32LE(crc, 4);
      descriptor.writeUInt32LE(packed.length, 8);
      descriptor.writeUInt32LE(size, 12);
      push(descriptor);
    }
    if (part.after) push(part.after);
    if (part.hidden === true) continue;
    const record = Buffer.alloc(46);
    record.writeUInt32LE(0x02014b50, 0);
    record.writeUInt16LE((3 << 8) | 20, 4);
    record.writeUInt16LE(20, 6);
    record.writeUInt16LE(flags, 8);
    record.writeUInt16LE(method, 10);
    record.writeUInt32LE(crc, 16);
    record.writeUInt32LE(packed.length, 20);
    record.writeUInt32LE(size, 24);
    record.writeUInt16LE(name.length, 28);
    record.writeUInt32LE(((part.mode ?? 0o100644) * 0x10000) >>> 0, 38);
    record.writeUInt32LE(at, 42);
    directory.push(record, name);
  }
  if (lies.directoryGap) push(lies.directoryGap);
  const comment = Buffer.from(lies.comment ?? '');
  const central = Buffer.concat(directory);
  const count = lies.count ?? directory.length / 2;
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...body, central, end, comment]);
}
