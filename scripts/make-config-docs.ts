// Writes config.example.json and docs/configuration.md from server/config/schema.ts. With --check it only says whether they
// are current, and fails when they are not.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configPage, exampleText } from './config-page.ts';

const root = join(import.meta.dirname, '..');
const made: readonly [string, string][] = [
  ['config.example.json', exampleText()],
  ['docs/configuration.md', configPage()],
];

await mkdir(join(root, 'docs'), { recursive: true });
for (const [name, text] of made) {
  const file = join(root, name);
  if (!process.argv.includes('--check')) await writeFile(file, text);
  else if ((await readFile(file, 'utf8')) !== text) {
    console.error(`${name} is not current: node scripts/make-config-docs.ts`);
    process.exitCode = 1;
  }
}
