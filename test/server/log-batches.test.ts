import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { skipOrFail } from '../support/skip.ts';
import { makeSmallDisk } from '../support/small-disk.ts';

const MODULE = pathToFileURL(`${import.meta.dirname}/../../server/log-batches.ts`).href;
const MEBIBYTE = 2 ** 20;
const noFullDevice = existsSync('/dev/full') ? false : 'there is no /dev/full here';
const small = await makeSmallDisk(1024);
const noSmallDisk = skipOrFail('skip' in small ? small.skip : undefined);

suite('log in batches', () => {
  test('what is not written yet is written when the process ends', async (t) => {
    const child = program(t, `lines.write('one\\n'); lines.write('two\\n'); process.exit(3);`);
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const [code] = await once(child, 'close');
    assert.deepEqual({ code, output }, { code: 3, output: 'one\ntwo\n' });
  });

  test('a reader that stands still costs lines, not memory without end, and a line tells it', async (t) => {
    const child = program(
      t,
      `const line = 'x'.repeat(1023) + '\\n';
       process.once('message', () => process.exit());
       for (let written = 0; written < 64 * 1024; written += 1) lines.write(line);
       process.send('written');`,
    );
    await once(child, 'message');
    let bytes = 0;
    let end = '';
    for await (const chunk of child.stdout ?? []) {
      bytes += chunk.length;
      end = (end + chunk.toString('latin1')).slice(-300);
      const lost = /\{"level":40.*"lostBytes":(\d+),"msg":"log lines were lost"\}\n/.exec(end)?.[1];
      if (lost === undefined) continue;
      assert.ok(Number(lost) > 40 * MEBIBYTE, end);
      child.send('end');
    }
    assert.match(end, /log lines were lost/);
    assert.ok(bytes < 18 * MEBIBYTE, `${bytes} bytes`);
  });

  test('a full disk ends no process, nor keeps one from ending', { skip: noFullDevice }, async (t) => {
    const full = await open('/dev/full', 'w');
    t.after(() => full.close());
    const child = program(
      t,
      `import { write } from 'node:fs';
       process.once('message', () => { lines.write('two\\n'); process.exit(3); });
       lines.write('x'.repeat(70_000) + '\\n');
       write(1, 'y', ({ code }) => process.send(code));`,
      full.fd,
    );
    const [code] = await once(child, 'message');
    assert.equal(code, 'ENOSPC');
    child.send('end');
    assert.deepEqual(await once(child, 'close'), [3, null]);
  });

  test('what could not be written for want of room is written when there is some', {
    skip: noSmallDisk,
  }, async (t) => {
    if ('skip' in small) return;
    const log = await open(join(small.dir, 'log'), 'a');
    t.after(async () => {
      await log.close();
      await small.remove();
    });
    const filling = join(small.dir, 'filling');
    await assert.rejects(writeFile(filling, Buffer.alloc(2 * MEBIBYTE)), { code: 'ENOSPC' });
    const child = program(
      t,
      `import { write } from 'node:fs';
       process.once('message', () => { lines.write('two\\n'); process.exit(3); });
       lines.write('x'.repeat(70_000) + '\\n');
       write(1, 'y'.repeat(70_000), (error) => process.send(error?.code ?? 'written'));`,
      log.fd,
    );
    const [code] = await once(child, 'message');
    assert.equal(code, 'ENOSPC');
    await rm(filling);
    child.send('end');
    assert.deepEqual(await once(child, 'close'), [3, null]);
    assert.match(await readFile(join(small.dir, 'log'), 'utf8'), /^x{70000}\ntwo\n$/);
  });
});

/** A process with `lines`, whose standard output is ours to read. */
function program(t: TestContext, code: string, output: 'pipe' | number = 'pipe'): ChildProcess {
  const source = `import { logBatches } from ${JSON.stringify(MODULE)}; const lines = logBatches(1); ${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', output, 'inherit', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}
