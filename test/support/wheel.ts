import { createCipheriv, createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Digest } from '../../storage/digest.ts';
import { tarOf } from './tar.ts';
import { type ZipPart, zipOf } from './zip.ts';

/** A distribution in memory, such as pip and uv install. The same options give the same bytes. */
export interface BuiltFile {
  readonly filename: string;
  readonly bytes: Buffer;
  readonly sha256: Digest;
  /** The exact bytes of METADATA or PKG-INFO. */
  readonly metadata: Buffer;
  readonly name: string;
  readonly version: string;
  readonly requiresPython?: string;
}

export interface BuildOptions {
  /** As a person would write it; escaped where file names want it. */
  readonly name: string;
  readonly version: string;
  readonly requiresDist?: readonly string[];
  readonly requiresPython?: string;
  /** Extra files, by their path in the wheel or below the top folder of the sdist. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Bytes that do not compress, added as one file, to make the archive about that much larger. */
  readonly padding?: number;
  /** Extra lines of the core metadata, such as `Provides-Extra: cli`. */
  readonly metadataLines?: readonly string[];
  /** The description in the core metadata. */
  readonly description?: string;
}

/** A wheel that imports as its name and says its version. `tag`: `py3-none-any` unless told. */
export function makeWheel(options: BuildOptions & { readonly tag?: string }): BuiltFile {
  const { version } = options;
  const escaped = escapeName(options.name);
  const tag = options.tag ?? 'py3-none-any';
  const info = `${escaped}-${version}.dist-info`;
  const metadata = metadataOf(options);
  const parts: ZipPart[] = [
    { name: `${escaped}/__init__.py`, data: moduleOf(version) },
    ...Object.entries(options.files ?? {}).map(([name, data]) => ({ name, data })),
    ...(options.padding ? [{ name: `${escaped}/padding.bin`, data: noise(options), stored: true }] : []),
    { name: `${info}/METADATA`, data: metadata },
    {
      name: `${info}/WHEEL`,
      data: `Wheel-Version: 1.0\nGenerator: stormcellar-test\nRoot-Is-Purelib: ${tag.endsWith('-any')}\n${tagLines(tag)}`,
    },
  ];
  const record = parts.map((part) => recordLine(String(part.name), Buffer.from(part.data ?? ''))).join('');
  parts.push({ name: `${info}/RECORD`, data: `${record}${info}/RECORD,,\n` });
  return built(`${escaped}-${version}-${tag}.whl`, zipOf(parts), metadata, options);
}

/** An sdist that builds without any network: its build backend lies inside and needs nothing. */
export function makeSdist(options: BuildOptions): BuiltFile {
  const escaped = escapeName(options.name);
  const top = `${escaped}-${options.version}`;
  const metadata = metadataOf(options);
  const archive = tarOf([
    { name: `${top}/PKG-INFO`, data: metadata },
    {
      name: `${top}/pyproject.toml`,
      data: '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    },
    { name: `${top}/backend.py`, data: backend(escaped, options.version) },
    { name: `${top}/${escaped}/__init__.py`, data: moduleOf(options.version) },
    ...Object.entries(options.files ?? {}).map(([name, data]) => ({ name: `${top}/${name}`, data })),
    ...(options.padding ? [{ name: `${top}/${escaped}/padding.bin`, data: noise(options) }] : []),
  ]);
  return built(`${top}.tar.gz`, gzipSync(archive, { level: options.padding ? 1 : 6 }), metadata, options);
}

/** Lower-case hex SHA-256. */
export function sha256Of(bytes: Buffer | string): Digest {
  return createHash('sha256').update(bytes).digest('hex') as Digest;
}

function built(filename: string, bytes: Buffer, metadata: Buffer, options: BuildOptions): BuiltFile {
  const { name, version, requiresPython } = options;
  const sha256 = sha256Of(bytes);
  return { filename, bytes, sha256, metadata, name, version, ...(requiresPython ? { requiresPython } : {}) };
}

function escapeName(name: string): string {
  return name.replace(/[-_.]+/g, '_').toLowerCase();
}

function moduleOf(version: string): string {
  return `__version__ = ${JSON.stringify(version)}\n`;
}

function metadataOf(options: BuildOptions): Buffer {
  const lines = ['Metadata-Version: 2.2', `Name: ${options.name}`, `Version: ${options.version}`];
  if (options.requiresPython) lines.push(`Requires-Python: ${options.requiresPython}`);
  for (const requirement of options.requiresDist ?? []) lines.push(`Requires-Dist: ${requirement}`);
  lines.push(...(options.metadataLines ?? []));
  return Buffer.from(`${lines.join('\n')}\n\n${options.description ?? ''}`);
}

/** `py2.py3-none-any` stands for two tags. */
function tagLines(tag: string): string {
  const [python = '', abi = '', platform = ''] = tag.split('-');
  const lines: string[] = [];
  for (const p of python.split('.'))
    for (const a of abi.split('.')) for (const f of platform.split('.')) lines.push(`Tag: ${p}-${a}-${f}\n`);
  return lines.join('');
}

function recordLine(name: string, data: Buffer): string {
  return `${name},sha256=${createHash('sha256').update(data).digest('base64url')},${data.length}\n`;
}

/** Bytes that no compression makes smaller, the same for the same name and version. */
function noise(options: BuildOptions): Buffer {
  const key = createHash('sha256').update(`${options.name} ${options.version}`).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(options.padding ?? 0));
}

function backend(escaped: string, version: string): string {
  return `import base64, hashlib, os, zipfile

NAME, VERSION = ${JSON.stringify(escaped)}, ${JSON.stringify(version)}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = f"{NAME}-{VERSION}.dist-info"
    members = {}
    for folder, _, names in os.walk(NAME):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                members[path.replace(os.sep, "/")] = file.read()
    with open("PKG-INFO", "rb") as file:
        members[f"{info}/METADATA"] = file.read()
    members[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\\nGenerator: stormcellar-test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    )
    record = ""
    for name, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\\n"
    members[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\\n").encode()
    filename = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in members.items():
            wheel.writestr(zipfile.ZipInfo(name), data)
    return filename


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
`;
}
