import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hashSecret, newTokenId, newTokenSecret, parseTokenSecret, sameHash } from '../../../server/access/token.ts';

describe('secrets of tokens', () => {
  it('are told by their prefix and checksum alone', () => {
    for (let i = 0; i < 200; i++) {
      const secret = newTokenSecret();
      assert.match(secret, /^sc_[0-9A-Za-z]{46}$/);
      assert.equal(parseTokenSecret(secret), secret);
    }
  });

  it('are refused after any change of one character', () => {
    const secret = newTokenSecret();
    for (let i = 3; i < secret.length; i++) {
      const other = secret[i] === 'x' ? 'y' : 'x';
      assert.equal(parseTokenSecret(secret.slice(0, i) + other + secret.slice(i + 1)), undefined, `at ${i}`);
    }
  });

  it('are refused when they are cut, padded or something else', () => {
    const secret = newTokenSecret();
    for (const text of ['', 'sc_', secret.slice(0, -1), `${secret}0`, ` ${secret}`, `${secret}\n`, secret.slice(3)]) {
      assert.equal(parseTokenSecret(text), undefined, JSON.stringify(text));
    }
  });

  it('keep their documented checksum: CRC-32 in base62 over all before it', () => {
    const zeros = `sc_${'0'.repeat(40)}`;
    assert.equal(parseTokenSecret(`${zeros}3mU4W5`), `${zeros}3mU4W5`);
  });

  it('use every digit', () => {
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) for (const digit of newTokenSecret().slice(3, 43)) seen.add(digit);
    assert.equal(seen.size, 62);
  });

  it('are kept as SHA-256', () => {
    assert.equal(hashSecret('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    assert.equal(sameHash(hashSecret('a'), hashSecret('a')), true);
    assert.equal(sameHash(hashSecret('a'), hashSecret('b')), false);
    assert.equal(sameHash('', hashSecret('b')), false);
  });
});

describe('ids of tokens', () => {
  it('sort by time, also across the year in which the digits grow', () => {
    const times = [0, 1, 1_700_000_000_000, 1_800_000_000_000, 36 ** 8 - 1, 36 ** 8];
    const ids = times.map(newTokenId);
    assert.deepEqual([...ids].sort(), ids);
    assert.notEqual(newTokenId(5), newTokenId(5));
  });
});
