import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { testApp } from '../support/test-app.ts';

test('the log says why a server is not ready, once each time, however often it is asked', async (t) => {
  const app = await testApp(t);
  const [blobs, away] = [join(app.dataDir, 'blobs'), join(app.dataDir, 'away')];
  const statuses = async () => [(await app.get('/readyz')).status, (await app.get('/readyz')).status];
  for (const times of [1, 2]) {
    await rename(blobs, away);
    assert.deepEqual(await statuses(), [503, 503]);
    await rename(away, blobs);
    assert.deepEqual(await statuses(), [200, 200]);
    const lines = app.logged.filter(({ msg }) => msg === 'not ready: the storage does not work');
    assert.deepEqual([lines.length, lines[0]?.level], [times, 50]);
    assert.match(JSON.stringify(lines[0]), /ENOENT/);
  }
});
