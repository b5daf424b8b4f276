// Has stack traces name the sources (`server/compose.ts:86`) where code runs that the build has put together. Each built file begins
// with it. Node could do that by a source map, which it parses at once and keeps: 66 MB for ours.
const { existsSync, readFileSync } = require('node:fs');

const FIELDS = 4;
const tables = new Map();

/** A table of places as scripts/source-places.mjs has written it beside `file`; `undefined` when there is none. */
function tableOf(file) {
  if (!tables.has(file)) tables.set(file, existsSync(`${file}.places`) ? read(`${file}.places`) : undefined);
  return tables.get(file);
}

function read(path) {
  const bytes = readFileSync(path);
  const count = bytes.readUInt32LE(0);
  const end = 4 + count * FIELDS * 4;
  const field = (index, which) => bytes.readUInt32LE(4 + (index * FIELDS + which) * 4);
  return { count, field, sources: JSON.parse(bytes.toString('utf8', end)) };
}

/** Where the code at a line and column (from 1) of a built file was written: `server/compose.ts:86`. */
function originOf({ count, field, sources }, line, column) {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    const isAfter = field(middle, 0) > line || (field(middle, 0) === line && field(middle, 1) > column);
    if (isAfter) high = middle;
    else low = middle + 1;
  }
  return low === 0 ? undefined : `${sources[field(low - 1, 2)]}:${field(low - 1, 3)}`;
}

function frame(site) {
  const [file, line, column] = [site.getFileName(), site.getLineNumber(), site.getColumnNumber()];
  const table = typeof file === 'string' ? tableOf(file) : undefined;
  const origin = table && originOf(table, line, column);
  return origin === undefined ? `${site}` : `${site}`.replace(`${file}:${line}:${column}`, origin);
}

Error.prepareStackTrace = (error, sites) =>
  [Error.prototype.toString.call(error), ...sites.map((site) => `    at ${frame(site)}`)].join('\n');
