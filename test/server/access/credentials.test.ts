import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { presentedSecret } from '../../../server/access/credentials.ts';

const encoded = (pair: string) => Buffer.from(pair).toString('base64');

describe('the secret in an Authorization header', () => {
  const cases: readonly [header: string, secret: string | undefined][] = [
    [`Basic ${encoded('__token__:s3cret')}`, 's3cret'],
    [`basic ${encoded('anyone:s3cret')}`, 's3cret'],
    [`Basic  ${encoded(':s3cret')}`, 's3cret'],
    [`Basic ${encoded('s3cret:')}`, 's3cret'],
    [`Basic ${encoded('user:with:colons')}`, 'with:colons'],
    [`Basic ${encoded('user:pässword')}`, 'pässword'],
    ['Bearer s3cret', 's3cret'],
    ['bEARER s3cret ', 's3cret'],
    [`Basic ${encoded(':')}`, undefined],
    [`Basic ${encoded('no colon')}`, undefined],
    ['Basic', undefined],
    ['Basic ', undefined],
    ['Basic !!!', undefined],
    ['Bearer', undefined],
    ['Bearer two words', undefined],
    ['Digest username="x"', undefined],
    ['s3cret', undefined],
    ['', undefined],
  ];
  for (const [header, secret] of cases) {
    it(`${JSON.stringify(header)} carries ${secret ?? 'none'}`, () => {
      assert.equal(presentedSecret(header), secret);
    });
  }

  it('never throws, whatever is sent', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('', 'Basic ', 'Bearer '), (text, scheme) => {
        presentedSecret(scheme + text);
      }),
    );
  });
});
