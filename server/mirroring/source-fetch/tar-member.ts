import { BLOCK_BYTES } from '../../tar-header.ts';

/** A file, or with `linkName` a symbolic link, of a tar archive. */
export interface NewTarMember {
  readonly name: string;
  readonly mode: number;
  /** Bytes of content that follow the header; 0 of a link. */
  readonly size: number;
  readonly time: Date;
  readonly linkName?: string;
}

/** Two blocks of zeros. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK_BYTES);

const MAX_NAME_BYTES = 100;

/** The header of a member (POSIX ustar), with an extended one before it (pax) where a name is long or not ASCII. Owned by nobody. */
export function tarMember(member: NewTarMember): Buffer {
  const { name, linkName } = member;
  const records = [
    ...(isPlain(name) ? [] : [record('path', name)]),
    ...(linkName === undefined || isPlain(linkName) ? [] : [record('linkpath', linkName)]),
  ];
  const own = block({ ...member, type: linkName === undefined ? '0' : '2' });
  if (records.length === 0) return own;
  const text = Buffer.from(records.join(''));
  const extended = block({ name: 'pax_header', mode: 0o644, size: text.length, time: member.time, type: 'x' });
  return Buffer.concat([extended, text, tarPadding(text.length), own]);
}

/** What fills up the last block of a content of `size` bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

function isPlain(name: string): boolean {
  return name.length <= MAX_NAME_BYTES && /^[\x20-\x7e]*$/.test(name);
}

/** `LENGTH key=value\n`, its length counting itself. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length > length) length += 1;
  return length + rest;
}

function block({ name, mode, size, time, type, linkName = '' }: NewTarMember & { readonly type: string }): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const put = (text: string, at: number, length: number): void => {
    header.write(text, at, length, 'latin1');
  };
  const octal = (value: number, at: number, length: number): void =>
    put(`${value.toString(8).padStart(length - 1, '0')}\0`, at, length);
  put(name.replace(/[^\x20-\x7e]/g, '_'), 0, MAX_NAME_BYTES);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(Math.floor(time.getTime() / 1000), 136, 12);
  put(' '.repeat(8), 148, 8);
  put(type, 156, 1);
  put(linkName.replace(/[^\x20-\x7e]/g, '_'), 157, MAX_NAME_BYTES);
  put('ustar\x0000', 257, 8);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8);
  return header;
}
