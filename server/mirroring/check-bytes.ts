import type { BlobStore } from '../../storage/blob-store.ts';
import type { Digest } from '../../storage/digest.ts';
import type { Clock } from '../clock.ts';
import { eachAtOnce } from '../each-at-once.ts';
import type { Findings } from './findings.ts';

const AT_ONCE = 16;
// A drill answers within a second; on a store far away this is not enough for all, and the weekly verification looks at the rest.
const BUDGET_MS = 500;

/** Looks whether the bytes of what was found are there, as far as half a second lasts; what has lost them is missing. */
export async function checkBytes(
  findings: Findings,
  { blobs, clock }: { readonly blobs: BlobStore; readonly clock: Clock },
): Promise<void> {
  const until = clock.nowMs() + BUDGET_MS;
  const isLost = async (digest: Digest): Promise<boolean> =>
    clock.nowMs() < until && (await blobs.stat(digest)) === undefined;
  await eachAtOnce(findings.held, AT_ONCE, async (file) => {
    if (!(await isLost(file.digest))) return;
    findings.lose(file);
    findings.miss({ name: file.project, version: null, filename: file.filename, why: 'its bytes are lost' });
  });
  await eachAtOnce(findings.sources, AT_ONCE, async (source) => {
    if (!(await isLost(source.digest))) return;
    findings.loseSource(source);
    findings.miss({ name: source.project, version: null, filename: source.filename, why: 'its bytes are lost' });
  });
}
