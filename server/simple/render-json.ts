import type { DistributionFile, ProjectDetail } from '../model/distribution-file.ts';

/** The version of the simple API that pages follow (PEP 792). */
export const API_VERSION = '1.4';

/**
 * The project page in JSON (PEP 691, 700, 714, 740, 792), UTF-8. A file's `url` is its percent-encoded name, so that the page is the same
 * under any prefix. What is unknown is absent, never null: one strict client refuses a whole page for one null.
 */
export function renderJsonPage(detail: ProjectDetail): Buffer {
  const page: Record<string, unknown> = { meta: { 'api-version': API_VERSION }, name: detail.name };
  if (detail.status !== undefined) {
    const reason = detail.statusReason;
    page['project-status'] =
      reason === undefined || reason === '' ? { status: detail.status } : { status: detail.status, reason };
  }
  page.versions = detail.versions;
  page.files = detail.files.map(renderFile);
  addUnknown(page, detail.extra);
  return Buffer.from(JSON.stringify(page));
}

function renderFile(file: DistributionFile): Record<string, unknown> {
  const entry: Record<string, unknown> = {
    filename: file.filename,
    url: encodeURIComponent(file.filename),
    hashes: file.hashes,
  };
  if (file.requiresPython !== undefined) entry['requires-python'] = file.requiresPython;
  if (file.size !== undefined) entry.size = file.size;
  if (file.uploadTime !== undefined) entry['upload-time'] = file.uploadTime;
  // An empty reason is not allowed in JSON (PEP 691).
  if (file.yanked !== undefined) entry.yanked = file.yanked === '' ? true : file.yanked;
  if (file.coreMetadata !== undefined) entry['core-metadata'] = file.coreMetadata;
  if (file.provenance !== undefined) entry.provenance = file.provenance;
  addUnknown(entry, file.extra);
  return entry;
}

/** Passes on keys that we do not know, as PEP 700 lets a mirror do; never over one of ours, never private ones or the dropped `gpg-sig`. */
function addUnknown(object: Record<string, unknown>, extra: Readonly<Record<string, unknown>> | undefined): void {
  if (extra === undefined) return;
  for (const key of Object.keys(extra)) {
    if (key.startsWith('_') || key === 'gpg-sig' || Object.hasOwn(object, key)) continue;
    object[key] = extra[key];
  }
}
