/** Resolves when all have settled: until then somebody looks at the bytes. Throws what the first of them threw that failed. */
export async function allSettled(calls: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(calls)) if (outcome.status === 'rejected') throw outcome.reason;
}
