const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const VALUE = new Map([...DIGITS].map((digit, value) => [digit, value]));

/**
 * What bin/name-sources.cjs needs of a source map (version 3): for each piece of a built file where the source or its line changes, four
 * numbers (its line and column in the built file, the source, the line in that; lines and columns from 1), and after them the names
 * of the sources as JSON. `nameOf` makes a name of what the map says.
 */
export function placesOf(map, nameOf) {
  const places = [];
  let [source, line] = [0, 0];
  let last = '';
  map.mappings.split(';').forEach((segments, row) => {
    let column = 0;
    for (const segment of segments.split(',')) {
      const [columns, sources, lines] = numbersOf(segment);
      if (columns === undefined) continue;
      column += columns;
      if (sources === undefined) continue;
      source += sources;
      line += lines;
      if (last !== `${source}:${line}`) places.push(row + 1, column + 1, source, line + 1);
      last = `${source}:${line}`;
    }
  });
  const numbers = Buffer.alloc(4 + 4 * places.length);
  numbers.writeUInt32LE(places.length / 4, 0);
  places.forEach((value, index) => {
    numbers.writeUInt32LE(value, 4 + 4 * index);
  });
  return Buffer.concat([numbers, Buffer.from(JSON.stringify(map.sources.map(nameOf)))]);
}

/** The numbers of a segment: base 64, the lowest bits first, the sign in the lowest one. */
function numbersOf(segment) {
  const numbers = [];
  let [value, shift] = [0, 0];
  for (const digit of segment) {
    const bits = VALUE.get(digit);
    value += (bits & 31) << shift;
    shift += 5;
    if (bits & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    [value, shift] = [0, 0];
  }
  return numbers;
}
