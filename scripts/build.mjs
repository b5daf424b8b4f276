// Makes dist/: the program in a few files that hold what they need of the packages as well (docs/adr/0023-a-few-files-and-their-bytecode.md), and
// the migrations. Types are not checked, `npm run check` does.
// Runs on whatever Node there is: the compiler is a program of its own.
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { recordBytecode } from './record-bytecode.mjs';
import { placesOf } from './source-places.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const program = `${root}dist/program`;

// `cli` knows these two as neighbours, so that a command loads no server.
const NEIGHBOURS = { '../server/main.ts': 'server', '../server/compose-move.ts': 'move' };
const entryPoints = {
  cli: 'cli/main.ts',
  server: 'server/main.ts',
  move: 'server/compose-move.ts',
  'spool-worker': 'storage/spool-worker.ts',
  'archive-worker': 'server/bundles/archive-worker.ts',
};

// Machine code, and what most servers never load.
const external = ['better-sqlite3', 'pg', '@aws-sdk/*', 'hash-wasm'];

const neighbours = {
  name: 'neighbours',
  setup: (made) => {
    made.onResolve({ filter: /^\.\.\/server\// }, ({ path, kind }) => {
      const name = kind === 'dynamic-import' ? NEIGHBOURS[path] : undefined;
      return name === undefined ? undefined : { path: `./${name}.cjs`, external: true };
    });
  },
};

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints,
  outdir: program,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  external,
  plugins: [neighbours],
  platform: 'node',
  target: 'node22',
  // Not ESM: an `import` of node:http has Node load all that it could hand out, its own copy of undici included.
  format: 'cjs',
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': 'moduleUrl' },
  banner: {
    js: "require('../../bin/name-sources.cjs');const moduleUrl=require('node:url').pathToFileURL(__filename).href;",
  },
  // The text of what runs stays in memory. Names stay as they are.
  minifyWhitespace: true,
  // A crash prints the line that it happened in.
  lineLimit: 160,
  legalComments: 'external',
  sourcemap: 'external',
  write: false,
  logLevel: 'warning',
});
// A server may be running from what is there.
rmSync(`${root}dist`, { recursive: true, force: true });
mkdirSync(program, { recursive: true });
for (const { path, contents, text } of outputFiles) {
  if (path.endsWith('.map')) writeFileSync(path.replace(/map$/, 'places'), placesOf(JSON.parse(text), nameOf));
  else if (path.endsWith('.cjs')) writeFileSync(path, codeOf(path, text));
  else writeFileSync(path, contents);
}
cpSync(`${root}migrations`, `${root}dist/migrations`, { recursive: true });
await recordBytecode(root);

/** A source by its path in the repository, or below the `node_modules` that it was found in. */
function nameOf(source) {
  return relative(root, resolve(program, source)).replace(/^.*\/(?=node_modules\/)/, '');
}

/** Node starts threads by itself; the rest is a function that bin/load-built.cjs calls, which wants one byte a character. */
function codeOf(path, text) {
  if (/[^\0-\x7f]/.test(text)) throw new Error(`${path} is not ASCII`);
  return path.endsWith('-worker.cjs') ? text : `(function(exports,require,module,__filename,__dirname){${text}\n})\n`;
}
