import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A Python that has the reference libraries (`packaging`, `pypi-simple`, `unearth`), or why there is none. */
export type Judge = { readonly skip: false; ask(script: string, input: unknown): unknown } | { readonly skip: string };

/**
 * Finds the environment that `.ci/run` makes. `ask` runs a script that finds its input, parsed from JSON, in `data` and puts its answer
 * into `result`. Absent: a reason to skip, and with `CI=true` an error.
 */
export function pythonJudge(): Judge {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'stormcellar-ci');
  const python = join(cache, 'pip', 'bin', 'python');
  if (!existsSync(python)) {
    const reason = 'no Python with the packaging library (made by .ci/run)';
    if (process.env.CI === 'true') throw new Error(`${reason}; with CI=true this is a failure`);
    return { skip: reason };
  }
  return {
    skip: false,
    ask(script, input) {
      const program = `import json, sys\ndata = json.load(sys.stdin)\n${script}\njson.dump(result, sys.stdout)\n`;
      const run = spawnSync(python, ['-I', '-c', program], { input: JSON.stringify(input), maxBuffer: 64 << 20 });
      if (run.status !== 0) throw new Error(`the judge failed: ${run.stderr.toString()}`);
      return JSON.parse(run.stdout.toString()) as unknown;
    },
  };
}
