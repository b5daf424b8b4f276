import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import { run } from '../../server/catalog/catalog.ts';
import { sql } from '../../server/catalog/schema.ts';
import { accessServer } from '../support/access-server.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { runCli } from '../support/run-cli.ts';
import { BOOTSTRAP_TOKEN } from '../support/test-access.ts';

describe('stormcellar token', () => {
  it('takes an option that is given several times as all of them', async (t) => {
    const { url, tokens } = await accessServer(t);
    const rights = ['--can', 'read', '--can', 'upload', '--can', 'read'];
    const names = ['--projects', 'acme-*,b', '--projects', 'c', '--apps', 'x', '--apps', 'y'];
    const env = { STORMCELLAR_URL: url, STORMCELLAR_TOKEN: BOOTSTRAP_TOKEN };
    const made = await runCli(['token', 'create', 'ci', ...rights, ...names], env);
    assert.equal(made.status, 0, made.stderr);
    const [token] = await tokens.list();
    assert.deepEqual(
      [token?.can, token?.projects, token?.apps],
      [
        ['read', 'upload'],
        ['acme-*', 'b', 'c'],
        ['x', 'y'],
      ],
    );
  });

  it('makes, lists and revokes tokens', async (t) => {
    const { url, tokens } = await accessServer(t, { clock: new FakeClock(Date.now()) });
    const env = { STORMCELLAR_URL: `${url}/`, STORMCELLAR_TOKEN: BOOTSTRAP_TOKEN };
    const limits = ['--projects', 'Acme_*, other', '--expires', '30d'];
    const made = await runCli(['token', 'create', 'ci', '--can', 'read,upload', ...limits], env);
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stdout, /^sc_[0-9A-Za-z]{46}\n$/);
    assert.match(made.stderr, /"ci" \(id [0-9a-z]+\), good until 20/);
    const [token] = await tokens.list();
    assert.deepEqual(token?.projects, ['acme-*', 'other']);
    const days = ((token?.expiresAt ?? 0) - Date.now()) / 86_400_000;
    assert.ok(days > 29.9 && days <= 30, String(days));

    const listed = await runCli(['token', 'list'], env);
    assert.equal(listed.status, 0, listed.stderr);
    assert.match(
      listed.stdout,
      /^ID +NAME +CAN +PROJECTS +APPS +EXPIRES +LAST USED\n[0-9a-z]+ +ci +read,upload +acme-\*,other +all/,
    );
    assert.ok(!listed.stdout.includes('sc_'));

    const revoked = await runCli(['token', 'revoke', token?.id ?? ''], env);
    assert.deepEqual(revoked, { status: 0, stdout: `revoked ${token?.id}\n`, stderr: '' });
    assert.deepEqual(await tokens.list(), []);
    const again = await runCli(['token', 'revoke', token?.id ?? ''], env);
    assert.deepEqual(again, { status: 1, stdout: '', stderr: 'Token not found: There is no token with this id.\n' });
  });

  it('prints JSON for programs', async (t) => {
    const { url } = await accessServer(t);
    const options = ['--server', url, '--token', BOOTSTRAP_TOKEN, '--json'];
    const made = await runCli(['token', 'create', 'ci', '--can', 'read', ...options]);
    const { token, ...shown } = JSON.parse(made.stdout) as { token: string };
    assert.match(token, /^sc_/);
    const listed = await runCli(['token', 'list', ...options]);
    assert.deepEqual(JSON.parse(listed.stdout), [shown]);
    const events = await runCli(['events', '--kind', 'token-created', ...options]);
    assert.equal((JSON.parse(events.stdout) as { by: string }[])[0]?.by, 'bootstrap');
  });

  it('says in a sentence what went wrong: 2 for usage, 1 for a refusal', async (t) => {
    const { url } = await accessServer(t, { anonymous: [] });
    const env = { STORMCELLAR_URL: url };
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const cases: readonly [args: string[], status: number, stderr: RegExp][] = [
      [['create', 'x'], 2, /--can/],
      [['create', 'x', '--can', 'root'], 2, /read, upload, bundle, admin/],
      [['create', 'x', '--can', 'read', '--expires', 'soon'], 2, /30d/],
      [['revoke', 'sc_secret'], 2, /give its id/],
      [['list', '--server', 'ftp://x'], 2, /not an http/],
      [['list'], 1, /^Credentials are required: .* Set --token or STORMCELLAR_TOKEN\.\n$/],
      [['list', '--token', ''], 1, /^Credentials are required: .* Set --token or STORMCELLAR_TOKEN\.\n$/],
      [['list', '--token', 'wrong'], 1, /^The credentials are not valid: /],
      [['list', '--server', `http://127.0.0.1:${port}`], 1, /cannot be reached: .*ECONNREFUSED/],
      [['create', 'x', '--can', 'read', '--token', BOOTSTRAP_TOKEN, '--projects', 'a*b'], 1, /projects/],
    ];
    await Promise.all(
      cases.map(async ([args, status, stderr]) => {
        const outcome = await runCli(['token', ...args], env);
        assert.equal(outcome.status, status, `${args}: ${outcome.stderr}`);
        assert.match(outcome.stderr, stderr, String(args));
        assert.equal(outcome.stdout, '', String(args));
      }),
    );
  });

  it('does not let names steer the terminal', async (t) => {
    const { url, catalog, token } = await accessServer(t);
    await token({ name: 'fine', can: ['read'] });
    await catalog.write(() => run(sql.updateTable('token').set({ name: 'evil\u001b[2J' })));
    const { stdout } = await runCli(['token', 'list', '--server', url, '--token', BOOTSTRAP_TOKEN]);
    assert.match(stdout, /evil\?\[2J/);
  });
});
