import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runCli } from '../support/run-cli.ts';
import { testApp } from '../support/test-app.ts';

describe('stormcellar status and explain', () => {
  it('tell people and programs how the server is, and why something is not visible', async (t) => {
    const { url, token } = await testApp(t);
    const env = { STORMCELLAR_URL: url, STORMCELLAR_TOKEN: token };
    const status = await runCli(['status'], env);
    assert.equal(status.status, 0, status.stderr);
    assert.match(status.stdout, /^ready\n(warning: .*\n)*0 projects, 0 files, 0 B, hit rate /);
    const asJson = await runCli(['status', '--json'], env);
    const { stats } = JSON.parse(asJson.stdout) as { stats: { files: number } };
    assert.equal(stats.files, 0);

    const explained = await runCli(['explain', 'Acme_Lib'], env);
    assert.equal(explained.status, 0, explained.stderr);
    assert.match(explained.stdout, /^acme-lib is not visible in the index main:\n- "Acme_Lib" is normalised/);
    const wrong = await runCli(['explain', 'acme', '--index', 'nothing'], env);
    assert.deepEqual([wrong.status, wrong.stdout], [1, '']);
    assert.match(wrong.stderr, /^Index not found: /);
  });
});
