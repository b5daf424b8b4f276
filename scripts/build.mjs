// Makes dist/ from the TypeScript sources, and puts beside them the other files that the program reads (migrations, styles),
// at the same places relative to the code.
// Runs on whatever Node there is: the compiler is a program of its own.
import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const compiler = `${root}node_modules/typescript/bin/tsc`;

const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(1);
for (const folder of ['server', 'storage', 'cli', 'migrations']) {
  cpSync(`${root}${folder}`, `${root}dist/${folder}`, { recursive: true, filter: (path) => !path.endsWith('.ts') });
}
