import { gzipSync } from 'node:zlib';
import { tarOf } from './tar.ts';

const MEGABYTES = 1024;
const AT_ONCE = 64;
const END_BYTES = 1024;

/** A `.tar.gz` that is small to send, and takes a second to be read through before its one distribution, at the end, is known. */
export function slowBundle(distribution: string, version: string): Buffer {
  const size = MEGABYTES * 2 ** 20;
  const header = tarOf([{ name: 'app/zeros.bin', data: '', size }]).subarray(0, -END_BYTES);
  const zeros = gzipSync(Buffer.alloc(AT_ONCE * 2 ** 20), { level: 1 });
  const data = `Name: ${distribution}\nVersion: ${version}\n`;
  const last = tarOf([{ name: `app/vendors/${distribution}-${version}.dist-info/METADATA`, data }]);
  const middle = Array.from({ length: MEGABYTES / AT_ONCE }, () => zeros);
  return Buffer.concat([gzipSync(header), ...middle, gzipSync(last)]);
}
