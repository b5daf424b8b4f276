import type { Spooled } from '../../storage/blob-store.ts';
import { Spool } from '../../storage/spool.ts';
import type { ProjectName } from '../model/project-name.ts';
import { Problem } from '../problem.ts';
import { UpstreamError } from '../upstream/errors.ts';
import type { OfferedFile } from './offered-file.ts';
import type { SourceIndex } from './source-index.ts';

// Each goes on where the one before broke off.
const TRIES = 3;

/**
 * The whole file, its digest checked when the source tells one, and when it was changed last, if the source says so, milliseconds. The caller discards it, published or not. Throws `Problem`,
 * `DigestMismatchError`, and what spools throw.
 */
export async function fetchOffered(
  source: SourceIndex,
  { project, file }: { readonly project: ProjectName; readonly file: OfferedFile },
  options: { readonly spoolDir: string; readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<{ readonly spooled: Spooled; readonly modifiedAt: number | undefined; discard(): Promise<void> }> {
  const { spoolDir, maxBytes, signal } = options;
  let spool = await Spool.create(spoolDir, { maxBytes });
  let validator: string | undefined;
  let modifiedAt: number | undefined;
  try {
    for (let left = TRIES; ; left -= 1) {
      const download = await source.download(project, file, { signal, offset: spool.size, validator });
      const { body, offset } = download;
      ({ validator, modifiedAt } = download);
      if (offset !== spool.size) {
        await spool.discard();
        spool = await Spool.create(spoolDir, { maxBytes });
      }
      try {
        for await (const chunk of body) await spool.write(chunk);
        break;
      } catch (error) {
        body.destroy();
        signal.throwIfAborted();
        if (!(error instanceof UpstreamError)) throw error;
        if (left === 1)
          throw new Problem('upstream-unavailable', `${file.filename} broke off: ${error.message}.`, { cause: error });
      }
    }
    const spooled = await spool.finish(file.sha256);
    return { spooled, modifiedAt, discard: () => spool.discard() };
  } catch (error) {
    await spool.discard();
    throw error;
  }
}
