// Writes docs/problems.md from server/problem.ts and server/http/problem-notes.ts. With --check it only says whether it is
// current, and fails when it is not.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { problemsPage } from './problems-page.ts';

const file = join(import.meta.dirname, '..', 'docs', 'problems.md');
if (!process.argv.includes('--check')) await writeFile(file, problemsPage());
else if ((await readFile(file, 'utf8')) !== problemsPage()) {
  console.error('docs/problems.md is not current: node scripts/make-problem-docs.ts');
  process.exitCode = 1;
}
