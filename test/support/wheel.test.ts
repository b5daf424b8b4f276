import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { makeSdist, makeWheel, sha256Of } from './wheel.ts';

test('the same options give the same bytes, named as the specification says', () => {
  const options = { name: 'Demo.Pkg', version: '1.0', requiresDist: ['other'], padding: 3000 };
  const wheel = makeWheel(options);
  assert.equal(wheel.filename, 'demo_pkg-1.0-py3-none-any.whl');
  assert.deepEqual(makeWheel(options).bytes, wheel.bytes);
  assert.equal(sha256Of(wheel.bytes), wheel.sha256);
  assert.ok(wheel.bytes.length > 3000);
  assert.match(wheel.metadata.toString(), /^Name: Demo\.Pkg\nVersion: 1\.0\nRequires-Dist: other$/m);
  const sdist = makeSdist(options);
  assert.equal(sdist.filename, 'demo_pkg-1.0.tar.gz');
  assert.deepEqual(makeSdist(options).bytes, sdist.bytes);
  assert.match(gunzipSync(sdist.bytes).toString('latin1'), /^demo_pkg-1\.0\/PKG-INFO/);
});
