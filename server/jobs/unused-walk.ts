import type { Catalog } from '../catalog/catalog.ts';
import { type UnusedFile, unusedFiles } from '../catalog/evictions.ts';
import { othersTurn } from '../others-turn.ts';

const PAGE = 200;

/** Files of upstreams that were not used since `usedBefore`, across repositories, those that were used longest ago first. */
export async function* unusedWalk(
  catalog: Catalog,
  { repositories, usedBefore }: { readonly repositories: readonly string[]; readonly usedBefore: number },
): AsyncGenerator<UnusedFile> {
  const walks = repositories.map((repository) => ofOne(catalog, repository, { repositories, usedBefore }));
  const heads = await Promise.all(walks.map((walk) => walk.next()));
  for (;;) {
    let oldest: { readonly file: UnusedFile; readonly at: number } | undefined;
    for (const [at, head] of heads.entries()) {
      if (head.done !== true && (oldest === undefined || head.value.usedAt < oldest.file.usedAt))
        oldest = { file: head.value, at };
    }
    const walk = oldest && walks[oldest.at];
    if (oldest === undefined || walk === undefined) return;
    heads[oldest.at] = await walk.next();
    yield oldest.file;
  }
}

async function* ofOne(
  catalog: Catalog,
  repository: string,
  options: { readonly repositories: readonly string[]; readonly usedBefore: number },
): AsyncGenerator<UnusedFile> {
  let after: UnusedFile | undefined;
  for (;;) {
    const from = after;
    const page = await catalog.read(() => unusedFiles(repository, { ...options, after: from, limit: PAGE }));
    yield* page;
    after = page.at(-1);
    if (page.length < PAGE) return;
    await othersTurn();
  }
}
