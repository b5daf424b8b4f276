/**
 * Of the indexes at these addresses the one that a file or page at `url` belongs to: of those of the same origin, as repositories of one server
 * are, the one with the longest path that it is below, else the first.
 */
export function nearestOf<T extends { readonly url: URL }>(indexes: readonly T[], url: URL): T | undefined {
  const there = indexes.filter((index) => index.url.origin === url.origin);
  if (there.length < 2) return there[0];
  const own = there.filter((index) => url.pathname.startsWith(rootOf(index.url)));
  return own.toSorted((a, b) => rootOf(b.url).length - rootOf(a.url).length)[0] ?? there[0];
}

/** What an index and its files lie below: files are often beside `simple/`. */
function rootOf({ pathname }: URL): string {
  const index = pathname.endsWith('/') ? pathname : `${pathname}/`;
  return index.replace(/(?<=\/)\+?simple\/$/, '');
}
