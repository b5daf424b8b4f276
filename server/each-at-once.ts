/**
 * Runs `work` for each item, `limit` at a time, in order of the items. Rejects with the first failure, after what was under way has ended;
 * no further item is begun then.
 */
export async function eachAtOnce<T>(
  items: Iterable<T> | AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let hasFailed = false;
  // A generator answers one call at a time.
  let turn: Promise<unknown> = Promise.resolve();
  const next = (): Promise<IteratorResult<T>> => {
    const result = turn.then(() => iterator.next());
    turn = result.catch(() => {});
    return result;
  };
  const worker = async (): Promise<void> => {
    try {
      for (let item = await next(); item.done !== true && !hasFailed; item = await next()) await work(item.value);
    } catch (error) {
      hasFailed = true;
      throw error;
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: limit }, worker));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
