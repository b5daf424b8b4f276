import type { DistributionFile, ProjectDetail } from '../model/distribution-file.ts';
import { escapeHtml } from './escape.ts';
import { API_VERSION } from './render-json.ts';

// In the order of preference; uv refuses a whole page for a hash in a link that it does not know, such as sha1.
const FRAGMENT_HASHES = ['sha256', 'sha512', 'sha384', 'md5'] as const;

/**
 * The project page in HTML (PEP 503, 592, 658, 714, 740, 792), UTF-8. One link a line, its text the file's name, its address the
 * percent-encoded name, so that the page is the same under any prefix. `data-size` and `data-upload-time` are not in the
 * standard; uv reads them.
 */
export function renderHtmlPage(detail: ProjectDetail): Buffer {
  const title = `Links for ${escapeHtml(detail.name)}`;
  const lines = [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta name="pypi:repository-version" content="${API_VERSION}">`,
  ];
  if (detail.status !== undefined) lines.push(`<meta name="pypi:project-status" content="${detail.status}">`);
  if (detail.status !== undefined && detail.statusReason !== undefined && detail.statusReason !== '') {
    lines.push(`<meta name="pypi:project-status-reason" content="${escapeHtml(detail.statusReason)}">`);
  }
  lines.push(`<title>${title}</title>`, '</head>', '<body>', `<h1>${title}</h1>`);
  for (const file of detail.files) lines.push(link(file));
  lines.push('</body>', '</html>', '');
  return Buffer.from(lines.join('\n'));
}

function link(file: DistributionFile): string {
  const hash = FRAGMENT_HASHES.find((name) => file.hashes[name] !== undefined);
  let line = `<a href="${escapeHtml(encodeURIComponent(file.filename))}`;
  line += hash === undefined ? '"' : `#${hash}=${escapeHtml(file.hashes[hash] ?? '')}"`;
  if (file.requiresPython !== undefined) line += ` data-requires-python="${escapeHtml(file.requiresPython)}"`;
  if (file.yanked !== undefined) line += ` data-yanked="${file.yanked === true ? '' : escapeHtml(file.yanked)}"`;
  if (file.coreMetadata !== undefined) {
    const sha256 = file.coreMetadata === true ? undefined : file.coreMetadata.sha256;
    const value = sha256 === undefined ? 'true' : `sha256=${escapeHtml(sha256)}`;
    line += ` data-core-metadata="${value}" data-dist-info-metadata="${value}"`;
  }
  if (file.size !== undefined) line += ` data-size="${file.size}"`;
  if (file.uploadTime !== undefined) line += ` data-upload-time="${escapeHtml(file.uploadTime)}"`;
  if (file.provenance !== undefined) line += ` data-provenance="${escapeHtml(file.provenance)}"`;
  return `${line}>${escapeHtml(file.filename)}</a><br>`;
}
