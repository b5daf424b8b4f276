import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { runCli } from '../support/run-cli.ts';
import { tempDir } from '../support/temp-dir.ts';

test('several calls at once that fetch one file leave it whole', async (t) => {
  const bytes = randomBytes(3_000_000);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const shown = { app: 'app', version: '1', filename: 'app-1.tar.gz', sha256, size: bytes.length };
  const half = bytes.length / 2;
  const isHalfSent = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let downloads = 0;
  const server = createServer(async (request, response) => {
    if (request.url === '/bundles/app/%40latest') return response.end(JSON.stringify(shown));
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from === 0 ? 200 : 206);
    downloads += 1;
    if (downloads > 1) return response.end(bytes.subarray(from));
    response.write(bytes.subarray(0, half), () => isHalfSent.resolve());
    await goOn.promise;
    return response.end(bytes.subarray(half));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const out = await tempDir(t);
  const target = join(out, 'app-1.tar.gz');
  const env = { STORMCELLAR_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const fetchIt = () => runCli(['bundle', 'fetch', 'app', '-o', target], env);
  const first = fetchIt();
  await isHalfSent.promise;
  const second = await fetchIt();
  assert.equal(second.status, 0, second.stderr);
  assert.deepEqual(await readFile(target), bytes);
  goOn.resolve();
  const { status, stderr } = await first;
  assert.equal(status, 0, stderr);
  assert.deepEqual(await readFile(target), bytes);
  assert.deepEqual(await readdir(out), ['app-1.tar.gz']);
});
