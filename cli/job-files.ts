import type { Client } from './client.ts';
import type { FileView, JobView } from './job-events.ts';

/** A job with what came of each thing that it had to do; of one state only, when it is told. */
export async function jobWithFiles(
  client: Client,
  id: string,
  state?: string,
): Promise<{ readonly job: JobView; readonly files: readonly FileView[] }> {
  const path = `/admin/jobs/${encodeURIComponent(id)}`;
  const files = new Map<string, FileView>();
  let query = state === undefined ? '?' : `?${new URLSearchParams({ state })}`;
  for (;;) {
    const page: JobView & { files: FileView[]; next: string | null } = await client.json(path + query);
    for (const file of page.files) files.set(file.key, file);
    if (page.next === null) return { job: page, files: [...files.values()] };
    query = page.next;
  }
}
