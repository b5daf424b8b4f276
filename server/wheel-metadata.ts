import type { FileBytes } from '../storage/descriptor.ts';
import { withZip, withZipBytes, ZipError, type ZipFile, type ZipMember } from './zip-file.ts';

/** No METADATA can be had from this wheel; a fault of the file, not ours. The message is fit for a user. */
export class WheelMetadataError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WheelMetadataError';
  }
}

// The largest wheels have about 20,000 members. Core metadata hold a README at most.
const MAX_MEMBERS = 200_000;
export const MAX_METADATA_BYTES = 16 * 1024 * 1024;
// Directory and metadata are the end of a wheel, and of most they fit in here.
const WINDOW_BYTES = 64 * 1024;

/**
 * The exact bytes of `*.dist-info/METADATA` of a wheel, by its path or its bytes, nothing unpacked to disk (binary-distribution-format, PEP
 * 658). Lenient, for old wheels too: case and spelling of the folder do not matter, members that we would refuse at upload
 * are passed over. With several such folders the wheel's `filename` decides. Throws `WheelMetadataError`; errors of
 * the file system as they are.
 */
export async function extractWheelMetadata(wheel: string | FileBytes, filename?: string): Promise<Buffer> {
  const read = (zip: ZipFile): Promise<Buffer> => metadataIn(zip, filename);
  try {
    if (typeof wheel === 'string') return await withZip(wheel, read);
    return await withZipBytes(wheel, read, { windowBytes: WINDOW_BYTES });
  } catch (error) {
    if (error instanceof ZipError) throw new WheelMetadataError(error.message, { cause: error });
    throw error;
  }
}

async function metadataIn(zip: ZipFile, filename: string | undefined): Promise<Buffer> {
  const found = new Map<string, ZipMember>();
  for await (const member of zip.members(MAX_MEMBERS)) {
    // Of two members of one name, Python's zipfile, and so pip, takes the later.
    if (/^[^/\\]+\.dist-info\/METADATA$/.test(member.name)) found.set(member.name, member);
  }
  return await zip.content(choose([...found.values()], filename), MAX_METADATA_BYTES);
}

function choose(found: readonly ZipMember[], filename: string | undefined): ZipMember {
  const [only] = found;
  if (only === undefined) throw new WheelMetadataError('The wheel has no .dist-info/METADATA.');
  if (found.length === 1) return only;
  const [name = '', version = ''] = (filename ?? '').split('-');
  const wanted = folded(`${name}-${version}`);
  const fitting = found.filter((member) => folded(member.name.replace(/\.dist-info\/METADATA$/, '')) === wanted);
  const [fits] = fitting;
  if (fits === undefined || fitting.length > 1) {
    throw new WheelMetadataError(
      'The wheel has several .dist-info folders, and its file name does not tell which counts.',
    );
  }
  return fits;
}

function folded(text: string): string {
  return text.replace(/[-_.]+/g, '-').toLowerCase();
}
