import { gzipSync } from 'node:zlib';
import { tarOf } from './tar.ts';

/** An application with vendored distributions, as `pip install --target vendors` leaves them, packed as `.tar.gz`. */
export function makeBundle(
  name: string,
  version: string,
  vendored: Readonly<Record<string, string>> = {},
  files: Readonly<Record<string, string | Buffer>> = {},
): { readonly filename: string; readonly bytes: Buffer } {
  const top = `${name}-${version}`;
  const archive = tarOf([
    { name: `${top}/PKG-INFO`, data: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n` },
    { name: `${top}/app.py`, data: `VERSION = ${JSON.stringify(version)}\n` },
    ...Object.entries(vendored).map(([distribution, at]) => ({
      name: `${top}/vendors/${distribution.replace(/-/g, '_')}-${at}.dist-info/METADATA`,
      data: `Metadata-Version: 2.1\nName: ${distribution}\nVersion: ${at}\n\nA description.\n`,
    })),
    ...Object.entries(files).map(([path, data]) => ({ name: `${top}/${path}`, data })),
  ]);
  return { filename: `${top}.tar.gz`, bytes: gzipSync(archive) };
}
