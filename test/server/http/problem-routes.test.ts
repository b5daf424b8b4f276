import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { problemsPage } from '../../../scripts/problems-page.ts';
import { describedSlugs } from '../../../server/http/problem-notes.ts';
import { PROBLEMS } from '../../../server/problem.ts';
import { testApp } from '../../support/test-app.ts';

describe('problems', () => {
  it('are all described, and described only once they exist', () => {
    assert.deepEqual([...describedSlugs()].sort(), Object.keys(PROBLEMS).sort(), 'see server/http/problem-notes.ts');
  });

  it('are in docs/problems.md as they are in the code', async () => {
    const text = await readFile(new URL('../../../docs/problems.md', import.meta.url), 'utf8');
    assert.equal(text, problemsPage(), 'run: node scripts/make-problem-docs.ts');
  });

  it('lead from their type to what they mean', async (t) => {
    const app = await testApp(t);
    const refusal = (await (await app.get('/admin/jobs/nothing')).json()) as { type: string };
    assert.equal(refusal.type, '/problems/credentials-required');
    const page = await app.get(refusal.type);
    assert.deepEqual([page.status, page.headers.get('content-type')], [200, 'text/plain; charset=utf-8']);
    assert.match(await page.text(), /^credentials-required \(401\): Credentials are required\n {2}This needs a token/);
    const json = await app.get(refusal.type, { headers: { accept: 'application/json' } });
    const { status, meaning } = (await json.json()) as { status: number; meaning: string };
    assert.deepEqual([status, /token/.test(meaning)], [401, true]);
    const all = await app.get('/problems/', { headers: { accept: 'application/json' } });
    const { problems } = (await all.json()) as { problems: unknown[] };
    assert.equal(problems.length, Object.keys(PROBLEMS).length);
    for (const unknown of ['/problems/nothing', '/problems/__proto__', '/problems/toString']) {
      assert.equal((await app.get(unknown)).status, 404);
    }
  });

  it('tell nothing where anonymous may not read', async (t) => {
    const app = await testApp(t, { config: { access: { anonymous: [] } } });
    assert.equal((await app.get('/problems/internal')).status, 401);
    assert.equal((await app.admin('/problems/internal')).status, 200);
  });
});
