// node test/bench/simulate.ts [--write]: how far the shape of docs/scaling.md carries, computed for an index of the size of the public
// one. The same text every time, in less than a minute. --write puts it into docs/scaling.md.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { report } from './simulation/report.ts';

const PAGE = fileURLToPath(new URL('../../docs/scaling.md', import.meta.url));
const text = report();
process.stdout.write(`${text}\n`);
if (process.argv.includes('--write')) {
  const page = await readFile(PAGE, 'utf8');
  const parts = /^([\s\S]*<!-- simulated -->\n)[\s\S]*(<!-- end of simulated -->[\s\S]*)$/.exec(page);
  if (parts === null) throw new Error('docs/scaling.md has no place for it');
  await writeFile(PAGE, `${parts[1]}\n${text}\n\n${parts[2]}`);
}
