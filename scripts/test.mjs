// npm test [-- FILE… | --flags of node --test]: every test/**/*.test.ts, in one process each, with the network closed but for
// loopback. With CI=true a test that is skipped is a failure, so that nothing is left out unnoticed.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
const given = process.argv.slice(2);
const flags = given.filter((argument) => argument.startsWith('-'));
const named = given.filter((argument) => !argument.startsWith('-'));
const files = named.length > 0 ? named : findTests();
const folder = mkdtempSync(join(tmpdir(), 'stormcellar-test-'));
const skips = join(folder, 'skips');

// In NODE_OPTIONS, so that servers that a test starts have no network either.
const preload = pathToFileURL(join(root, 'test', 'support', 'no-network.ts')).href;
const env = {
  ...process.env,
  NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${preload}`.trim(),
  STORMCELLAR_TEST_SOURCES: '1',
};
const runner = [
  '--test',
  `--test-concurrency=${Math.max(2, availableParallelism())}`,
  '--test-timeout=600000',
  '--test-reporter=spec',
  '--test-reporter-destination=stdout',
  `--test-reporter=${pathToFileURL(join(root, 'scripts', 'skips-reporter.mjs')).href}`,
  `--test-reporter-destination=${skips}`,
];
const child = spawn(process.execPath, [...runner, ...flags, ...files], { cwd: root, stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => {
  const skipped = readFileSync(skips, 'utf8');
  rmSync(folder, { recursive: true });
  process.exitCode = code ?? 1;
  if (skipped === '' || process.env.CI !== 'true') return;
  process.stdout.write(`\nWith CI=true these may not be skipped:\n${skipped}`);
  process.exitCode = 1;
});

/** Test files, those that take long first, so that no processor idles at the end. */
function findTests() {
  const all = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith(join('test', 'bench')));
  const slow = [join('test', 'clients'), join('test', 'api')];
  const rank = (file) => (slow.findIndex((part) => file.startsWith(part)) + slow.length + 1) % (slow.length + 1);
  return all.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}
