import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { damaged } from '../support/damage.ts';
import { BOUNDARY, type FormPart, multipart, multipartHeaders, partsOf } from '../support/multipart.ts';
import { type RawResponse, rawRequest } from '../support/raw-request.ts';
import { spoolsOf } from '../support/spools.ts';
import { type TestApp, testApp } from '../support/test-app.ts';
import { makeSdist, makeWheel } from '../support/wheel.ts';
import { zipOf } from '../support/zip.ts';

const RUNS = { numRuns: 120, seed: 20261124 };
const WHEEL = makeWheel({ name: 'demo', version: '1.0', requiresPython: '>=3.9' });
const SDIST = makeSdist({ name: 'demo', version: '1.0' });

/** Text as an attacker would try it in a name. */
const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom('demo', '-', '1.0', '..', '/', '\\', '\0', '\r\n', '%2f', '__proto__', '.whl', 'é', '+', '!'),
      {
        maxLength: 8,
      },
    )
    .map((parts) => parts.join('')),
  fc.constantFrom('demo-1.0-py3-none-any.whl', 'demo-1.0.tar.gz', 'demo-1.0.zip', 'con', 'a'.repeat(300)),
);

describe('whatever is uploaded', () => {
  // One server for all runs: what one leaves behind, the next would meet.
  let app: TestApp;
  const ends: (() => Promise<void>)[] = [];
  before(async () => {
    app = await testApp({ after: (fn) => ends.unshift(fn) });
  });
  after(async () => {
    for (const end of ends) await end();
  });
  const finish = async (): Promise<void> => {
    const pages = await ask('/simple/demo/');
    assert.deepEqual(await spoolsOf(app), [], 'spools are left');
    assert.equal(app.logged.filter((line) => Number(line.level) >= 50).length, 0, 'errors were logged');
    // Every file of the page can be had: no row without its bytes.
    const files = pages.status === 200 ? [...pages.body.matchAll(/<a href="([^"#]+)/g)].map((match) => match[1]) : [];
    for (const file of files) {
      assert.equal((await ask(`/simple/demo/${file}`)).status, 200);
      if (file?.endsWith('.whl')) assert.equal((await ask(`/simple/demo/${file}.metadata`)).status, 200);
    }
  };
  const ask = (path: string): Promise<RawResponse> =>
    rawRequest(app.url, { path, headers: { authorization: `Bearer ${app.token}`, accept: 'text/html' } });

  async function send(body: Buffer, headers: Record<string, string> = {}): Promise<number> {
    const all = { authorization: `Bearer ${app.token}`, ...multipartHeaders(body), ...headers };
    const { status } = await rawRequest(app.url, { method: 'POST', path: '/legacy/', headers: all, body });
    assert.ok(status === 200 || (status >= 400 && status < 500), `${status}`);
    return status;
  }

  it('by any file name and field is taken or refused, and leaves nothing else', async (t) => {
    t.after(() => finish());
    const field = fc.constantFrom('name', 'version', 'filetype', 'pyversion', 'sha256_digest', 'md5_digest', ':action');
    const changes = fc.array(fc.tuple(field, nasty), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(changes, fc.option(nasty), fc.boolean(), async (fields, filename, isWheel) => {
        const quoted = filename?.replace(/["\r\n]/g, '_');
        const parts = partsOf(isWheel ? WHEEL : SDIST, Object.fromEntries(fields)).map((part) =>
          part.filename === undefined || quoted === undefined ? part : { ...part, filename: quoted },
        );
        await send(multipart(parts));
      }),
      RUNS,
    );
  });

  it('as a damaged body is taken or refused', async (t) => {
    t.after(() => finish());
    await fc.assert(
      fc.asyncProperty(damaged(multipart(partsOf(WHEEL))), async (body) => {
        await send(body);
      }),
      RUNS,
    );
  });

  it('as parts of any kind, in any order, is taken or refused', async (t) => {
    t.after(() => finish());
    const part: fc.Arbitrary<FormPart> = fc.record({
      name: fc.oneof(fc.constantFrom('content', 'name', 'version', 'x[y]', '__proto__'), fc.string({ maxLength: 20 })),
      value: fc.oneof(
        fc.constant(WHEEL.bytes),
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      ),
    });
    const file = part.chain((made) =>
      nasty.map((filename) => ({ ...made, filename: filename.replace(/["\r\n]/g, '_') })),
    );
    const parts = fc.array(fc.oneof(part, file, fc.constantFrom(...partsOf(WHEEL))), { maxLength: 12 });
    const clean = parts.map((list) => list.map((one) => ({ ...one, name: one.name.replace(/["\r\n]/g, '_') })));
    await fc.assert(
      fc.asyncProperty(clean, async (list) => {
        await send(multipart(list));
      }),
      RUNS,
    );
  });

  it('with any core metadata is taken or refused', async (t) => {
    t.after(() => finish());
    const line = fc.oneof(
      fc.constantFrom(
        'Name: demo',
        'Version: 1.0',
        'Metadata-Version: 2.1',
        'Requires-Python: >=3',
        '',
        ' folded',
        ': x',
      ),
      fc.string({ unit: 'binary', maxLength: 80 }),
    );
    const good = 'Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n';
    const metadata = fc.tuple(fc.boolean(), fc.array(line, { maxLength: 6 }));
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(metadata, fc.nat({ max: 1_000_000 }), async ([isGood, lines], build) => {
        const info = 'demo-1.0.dist-info';
        const bytes = zipOf([
          { name: `${info}/METADATA`, data: `${isGood ? good : ''}${lines.join('\n')}` },
          { name: `${info}/WHEEL` },
          { name: `${info}/RECORD`, data: `${info}/METADATA,,\n${info}/WHEEL,,\n${info}/RECORD,,\n` },
        ]);
        const filename = `demo-1.0-${build}-py3-none-any.whl`;
        const status = await send(multipart(partsOf({ ...WHEEL, filename, bytes }, { sha256_digest: '' })));
        if (status === 200) taken += 1;
      }),
      RUNS,
    );
    assert.ok(taken > 5, `${taken} were taken`);
  });

  it('with any boundary and type is taken or refused', async (t) => {
    t.after(() => finish());
    const type = fc.oneof(
      fc.string({ maxLength: 40 }).map((text) => `multipart/form-data; boundary=${text.replace(/[^\x20-\x7e]/g, '_')}`),
      fc.constantFrom(
        'multipart/form-data',
        `multipart/form-data; boundary="${BOUNDARY}"; charset=utf-7`,
        'text/plain',
        'x',
      ),
    );
    await fc.assert(
      fc.asyncProperty(type, async (header) => {
        await send(multipart(partsOf(WHEEL)), { 'Content-Type': header });
      }),
      { ...RUNS, numRuns: 60 },
    );
  });
});
