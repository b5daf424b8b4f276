// So that a statement with a list has few forms: each form is prepared once by the database.
const LENGTHS = [1, 8, 64, 500];

/**
 * Parts of a list for `in (…)`, each of one of few lengths: the last one is filled up with its own last value. Databases bound the number
 * of parameters of a statement.
 */
export function* inChunks<T>(values: readonly T[]): Generator<readonly T[]> {
  const longest = LENGTHS.at(-1) ?? 1;
  for (let at = 0; at < values.length; at += longest) {
    const chunk = values.slice(at, at + longest);
    const length = LENGTHS.find((each) => each >= chunk.length) ?? chunk.length;
    const last = chunk.at(-1);
    while (chunk.length < length && last !== undefined) chunk.push(last);
    yield chunk;
  }
}
