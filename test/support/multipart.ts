import { formOf } from './test-uploads.ts';
import type { BuiltFile } from './wheel.ts';

/** One part of a form. With a `filename` it is a file. */
export interface FormPart {
  readonly name: string;
  readonly value: string | Buffer;
  readonly filename?: string;
  /** Left out, as uv and flit do, unless told. */
  readonly type?: string;
}

export const BOUNDARY = 'a-boundary-of-tests';

/** The body of a form, its parts in this order. */
export function multipart(parts: readonly FormPart[], boundary = BOUNDARY): Buffer {
  const chunks = parts.flatMap(({ name, value, filename, type }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"` +
        `${filename === undefined ? '' : `; filename="${filename}"`}\r\n` +
        `${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n`,
    ),
    Buffer.from(value),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]);
}

/** Headers of such a body. */
export function multipartHeaders(body: Buffer, boundary = BOUNDARY): Record<string, string> {
  return { 'Content-Type': `multipart/form-data; boundary=${boundary}`, 'Content-Length': String(body.length) };
}

/** The parts that a client sends with a file; `form` overrules or adds fields. */
export function partsOf(file: BuiltFile, form: Readonly<Record<string, string>> = {}): FormPart[] {
  const fields = Object.entries({ ...formOf(file), ...form }).map(([name, value]) => ({ name, value }));
  return [...fields, { name: 'content', value: file.bytes, filename: file.filename }];
}
