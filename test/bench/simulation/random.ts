/** A stream of numbers from 0 to 1 that is the same for the same seed (Marsaglia's xorshift, 32 bits with a Weyl sequence). */
export function randomOf(seed: number): () => number {
  let x = seed | 0 || 1;
  let weyl = 0;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    weyl = (weyl + 0x6d2b79f5) | 0;
    return ((x + weyl) >>> 0) / 4_294_967_296;
  };
}

/** A normal deviate (Box and Muller). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
