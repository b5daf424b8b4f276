import fc from 'fast-check';

/** `bytes` with one changed, or with some left out or put in. */
export function damaged(bytes: Buffer): fc.Arbitrary<Buffer> {
  const at = fc.nat({ max: bytes.length - 1 });
  return fc.oneof(
    fc.tuple(at, fc.nat({ max: 255 })).map(([where, value]) => {
      const copy = Buffer.from(bytes);
      copy[where] = value;
      return copy;
    }),
    fc.tuple(at, fc.nat({ max: 40 })).map(([where, length]) => {
      return Buffer.concat([bytes.subarray(0, where), bytes.subarray(where + length)]);
    }),
    fc.tuple(at, fc.uint8Array({ maxLength: 20 })).map(([where, more]) => {
      return Buffer.concat([bytes.subarray(0, where), more, bytes.subarray(where)]);
    }),
  );
}
