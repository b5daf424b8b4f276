/** A file of a tar archive. */
export interface TarPart {
  readonly name: string;
  readonly data: string | Buffer;
  /** Type flag; `0`, a file, unless told. */
  readonly type?: string;
  readonly linkName?: string;
  /** The size that the header claims. */
  readonly size?: number;
}

const BLOCK = 512;

/** An uncompressed ustar archive of plain files, the same bytes every time. Names of at most 100 bytes. */
export function tarOf(parts: readonly TarPart[]): Buffer {
  const blocks: Buffer[] = [];
  for (const part of parts) {
    const data = Buffer.from(part.data);
    blocks.push(header(part, data.length), data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]);
}

function header(part: TarPart, length: number): Buffer {
  const { name, type = '0', linkName = '', size = length } = part;
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > 100) throw new Error(`name of more than 100 bytes: ${name}`);
  block.write(name, 0);
  block.write('0000644\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write('00000000000\0', 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(linkName, 157);
  block.write('ustar\u000000', 257);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
