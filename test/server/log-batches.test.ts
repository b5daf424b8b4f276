import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { suite, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';

const MODULE = pathToFileURL(`${import.meta.dirname}/../../server/log-batches.ts`).href;
const MEBIBYTE = 2 ** 20;

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
});

/** A process with `lines`, whose standard output is ours to read. */
function program(t: TestContext, code: string): ChildProcess {
  const source = `import { logBatches } from ${JSON.stringify(MODULE)}; const lines = logBatches(1); ${code}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  return child;
}
