import { type DistributionFile, PROJECT_STATUSES, type ProjectStatus } from '../model/distribution-file.ts';
import { isObject, type JsonObject, readJson } from '../model/json.ts';
import { PageFormatError } from './page-format-error.ts';
import {
  allVersions,
  checkApiVersion,
  checkedBase,
  type PageSource,
  type ParsedPage,
  uniqueFiles,
} from './parsed-page.ts';
import { readFile } from './read-file.ts';

// Ours, against pages that are made to be large.
const MAX_NESTING = 64;
const MAX_UNKNOWN_KEYS = 256;
const PAGE_KEYS = new Set(['meta', 'name', 'versions', 'files', 'project-status', 'alternate-locations']);
const FILE_KEYS = new Set([
  'filename',
  'url',
  'hashes',
  'requires-python',
  'core-metadata',
  'dist-info-metadata',
  'data-dist-info-metadata',
  'gpg-sig',
  'yanked',
  'size',
  'upload-time',
  'provenance',
]);

/**
 * A project page in JSON (PEP 691 and its successors) as our model. Entries that cannot be served are left out and counted; keys that we do not
 * know are kept, but for private ones (`_…`). `json`: what the bytes say, where somebody has read them already. Throws `PageFormatError` when they
 * are no such page.
 */
export function parseJsonPage(body: Buffer, source: PageSource, json?: unknown): ParsedPage {
  const page = isObject(json) ? json : readPage(body);
  const meta = isObject(page.meta) ? page.meta : {};
  if (meta['api-version'] !== undefined) checkApiVersion(String(meta['api-version']));
  if (!Array.isArray(page.files)) throw new PageFormatError('it has no list of files');
  const base = checkedBase(source.url);
  const read = page.files.map((entry: unknown) => fileOf(entry, base)).filter((file) => file !== undefined);
  const files = uniqueFiles(read);
  const extra = unknownKeys(page, PAGE_KEYS);
  return {
    name: source.name,
    ...statusOf(page['project-status'] ?? meta['project-status']),
    versions: allVersions(source.name, listedVersions(page.versions), files),
    files,
    ...(extra === undefined ? {} : { extra }),
    dropped: page.files.length - files.length,
  };
}

function readPage(body: Buffer): JsonObject {
  const page = readJson(body);
  if (page === undefined) throw new PageFormatError('it is not JSON');
  if (!isObject(page)) throw new PageFormatError('it is not an object');
  return page;
}

function fileOf(entry: unknown, base: URL): DistributionFile | undefined {
  if (!isObject(entry)) return undefined;
  const extra = unknownKeys(entry, FILE_KEYS);
  return readFile(
    {
      filename: entry.filename,
      url: entry.url,
      hashes: entry.hashes,
      requiresPython: entry['requires-python'],
      size: entry.size,
      uploadTime: entry['upload-time'],
      yanked: entry.yanked,
      // The second is the name before PEP 714, the third a slip of the public index.
      coreMetadata: entry['core-metadata'] ?? entry['dist-info-metadata'] ?? entry['data-dist-info-metadata'],
      provenance: entry.provenance,
      ...(extra === undefined ? {} : { extra }),
    },
    base,
  );
}

/** Names that begin with `_` are private to the index that sent them; what is nested or goes on without end is left out. */
function unknownKeys(object: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  let extra: Record<string, unknown> | undefined;
  let count = 0;
  for (const key of Object.keys(object)) {
    if (count >= MAX_UNKNOWN_KEYS) break;
    if (known.has(key) || key.startsWith('_') || isDeeper(object[key], MAX_NESTING)) continue;
    count += 1;
    extra ??= {};
    extra[key] = object[key];
  }
  return extra;
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

function listedVersions(versions: unknown): readonly string[] {
  if (!Array.isArray(versions)) return [];
  return versions.filter((text): text is string => typeof text === 'string' && text !== '' && text.length <= 255);
}

function statusOf(value: unknown): { status?: ProjectStatus; statusReason?: string } {
  const marker: JsonObject = isObject(value) ? value : { status: value };
  const status = PROJECT_STATUSES.find((known) => known === marker.status);
  if (status === undefined) return {};
  const { reason } = marker;
  return typeof reason === 'string' && reason !== '' ? { status, statusReason: reason.slice(0, 4096) } : { status };
}
