import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { loadConfig } from '../../server/config/load.ts';
import { DEPLOY } from '../support/deploy-files.ts';
import { skipOrFail } from '../support/skip.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const unit = await readFile(`${DEPLOY}stormcellar.service`, 'utf8');
const missing = await access('/usr/bin/systemd-analyze').then(
  () => undefined,
  () => 'systemd is not installed (apt-get install systemd)',
);
const skip = skipOrFail(missing);
const settingOf = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

describe('deploy/stormcellar.service', () => {
  it('is what systemd understands, down to each setting', { skip }, async (t) => {
    const file = await unitHere(t);
    const { stdout, stderr } = await promisify(execFile)('systemd-analyze', ['verify', '--man=no', file]);
    assert.deepEqual([stdout, stderr], ['', '']);
  });

  it('leaves the program little that it could do to the machine', { skip }, async (t) => {
    const file = await unitHere(t);
    // Of 100, where 0 is the least exposure; what is left is the network, which is its trade.
    const args = ['security', '--offline=true', '--threshold=15', '--no-pager', file];
    const { stdout } = await promisify(execFile)('systemd-analyze', args);
    assert.match(stdout, /Overall exposure level for stormcellar\.service: [01]\.\d OK/);
  });

  it('starts the program as it is installed, and gives it time to finish', async () => {
    const [node, program, command, flag] = settingOf('ExecStart').split(' ');
    assert.deepEqual([node, command, flag], ['/usr/bin/node', 'serve', '--config']);
    await access(join(root, (program ?? '').replace('/opt/stormcellar/', '')));
    const { limits } = await loadConfig({ env: {} });
    assert.ok(Number(settingOf('TimeoutStopSec')) * 1000 > limits.stopGrace);
    assert.match(settingOf('Environment'), /STORMCELLAR_DATA_DIR=%S\/stormcellar( |$)/);
    assert.deepEqual([settingOf('StateDirectory'), settingOf('DynamicUser')], ['stormcellar', 'yes']);
    assert.equal(settingOf('RestartPreventExitStatus'), '2');
  });

  it('says under which names the secrets are found', () => {
    // systemd.exec(5), LoadCredential=: each file of a folder is one credential, named ID_FILENAME.
    const [id, folder] = settingOf('LoadCredential').split(':');
    assert.ok(unit.includes(`one file each in ${folder}, readable by root alone; of the file NAME`));
    assert.ok(unit.includes(`{"$file": "/run/credentials/stormcellar.service/${id}_NAME"}`));
  });
});

/** The unit with paths that exist on this machine: systemd looks whether they do. */
async function unitHere(t: { after(fn: () => Promise<void>): void }): Promise<string> {
  const dir = await tempDir(t);
  const file = join(dir, 'stormcellar.service');
  const secrets = join(dir, 'secrets');
  await mkdir(secrets);
  const here = unit
    .replaceAll('/usr/bin/node', process.execPath)
    .replaceAll('/opt/stormcellar/', root)
    .replaceAll('/etc/stormcellar/secrets', secrets);
  await writeFile(file, here);
  return file;
}
