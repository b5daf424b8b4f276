// npm run bench [-- SCENARIO… --quick --write --help]: builds the program, measures it beside what is possible, prints one table.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Bench, type Effort } from './bench.ts';
import { writeIndex } from './content.ts';
import { describeMachine, makeWay, missingPrograms, quiet, SERVER_CPUS } from './machine.ts';
import { startNginx } from './nginx.ts';
import { run } from './run.ts';
import type { Scenario } from './scenario.ts';
import { bundles } from './scenarios/bundles.ts';
import { closure } from './scenarios/closure.ts';
import { coldFile, manyClients, stampede } from './scenarios/cold-file.ts';
import { hangingUpstream } from './scenarios/hanging-upstream.ts';
import { hotFiles } from './scenarios/hot-files.ts';
import { largeCatalog } from './scenarios/large-catalog.ts';
import { locks } from './scenarios/locks.ts';
import { mirror } from './scenarios/mirror.ts';
import { pages } from './scenarios/pages.ts';
import { postgres } from './scenarios/postgres.ts';
import { start } from './scenarios/start.ts';
import { twoNodes } from './scenarios/two-nodes.ts';
import { uploads } from './scenarios/uploads.ts';
import { type Row, tableOf, writePage } from './table.ts';

const SCENARIOS: readonly Scenario[] = [
  start,
  pages,
  hotFiles,
  closure,
  coldFile,
  stampede,
  manyClients,
  hangingUpstream,
  uploads,
  bundles,
  postgres,
  twoNodes,
  mirror,
  locks,
  largeCatalog,
];
const NAMES = SCENARIOS.map(({ name }) => name);

const HELP = `npm run bench -- [SCENARIO…] [--quick] [--write]

Without names: every scenario, and docs/performance.md is written. Scenarios: ${NAMES.join(', ')}.
  --quick   short and rough, to see that it works
  --write   write the page although only some scenarios are run: their lines are replaced`;

const EFFORT: Effort = { rounds: 5, seconds: 4 };
const QUICK: Effort = { rounds: 1, seconds: 1 };
const PATIENCE_MS = 60_000;
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean' }, write: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  const unknown = positionals.filter((name) => !NAMES.includes(name));
  const missing = await missingPrograms();
  if (values.help || unknown.length > 0) return say(HELP, unknown.length > 0);
  if (missing.length > 0) return say(`Not installed: ${missing.join(', ')}.`, true);
  await run(process.execPath, [join(ROOT, 'scripts', 'build.mjs')]);
  const chosen = SCENARIOS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const machine = await describeMachine();
  const rows = await measure(chosen, {
    effort: values.quick ? QUICK : EFFORT,
    patienceMs: values.quick ? 0 : PATIENCE_MS,
  });
  say(`\n${tableOf(rows).join('\n')}\n\n${machine}.`);
  if (!values.quick && (positionals.length === 0 || values.write)) {
    await writePage(join(ROOT, 'docs', 'performance.md'), { machine, rows, order: NAMES });
  }
}

async function measure(
  scenarios: readonly Scenario[],
  { effort, patienceMs }: { readonly effort: Effort; readonly patienceMs: number },
): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), 'stormcellar-bench-'));
  await makeWay();
  const root = join(dir, 'index');
  const projects = await writeIndex(root);
  const limit = await startNginx({ root, dir: join(dir, 'limit'), cpus: SERVER_CPUS });
  const rows: Row[] = [];
  try {
    for (const { name, run: runScenario } of scenarios) {
      const noisy = !(await quiet(patienceMs));
      process.stderr.write(`${name}${noisy ? ' (the machine is busy with other work)' : ''}\n`);
      await mkdir(join(dir, name));
      const bench = new Bench({ dir: join(dir, name), root, limit, projects, effort });
      try {
        const on = new Date().toISOString().slice(0, 10);
        for (const line of await runScenario(bench)) rows.push({ ...line, scenario: name, noisy, on });
      } catch (error) {
        process.stderr.write(`${name} failed: ${error instanceof Error ? error.message : error}\n`);
        process.exitCode = 1;
      } finally {
        await bench.stopAll();
        await rm(join(dir, name), { recursive: true, force: true });
      }
    }
  } finally {
    await limit.program.stop();
    await rm(dir, { recursive: true, force: true });
  }
  return rows;
}

function say(text: string, isFault = false): void {
  process.stdout.write(`${text}\n`);
  if (isFault) process.exitCode = 2;
}

await main();
