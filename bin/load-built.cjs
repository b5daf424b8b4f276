// Loads what the build has put into dist/program. Plain Node would do it as well, and take twice as long: it compiles four megabytes of
// JavaScript each time. Why it is done here and not by Node's compile cache: docs/adr/0023-a-few-files-and-their-bytecode.md.
const { createHash } = require('node:crypto');
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

const FOLDER = join(__dirname, '../dist/program');
const KEY_BYTES = 32;
const loaded = new Map();

/** What the built file of that name exports; it is run once. */
function loadBuilt(name) {
  const known = loaded.get(name);
  if (known !== undefined) return known.module.exports;
  const file = join(FOLDER, `${name}.cjs`);
  const code = readFileSync(file);
  const key = createHash('sha256').update(`${process.version} ${process.arch}\n`).update(code).digest();
  const cachedData = bytecodeOf(file, key);
  // As a text of one byte a character it is kept outside of the heap, and once.
  const script = new Script(code.toString('latin1'), { filename: file, ...(cachedData && { cachedData }) });
  const module = { exports: {}, filename: file, id: file };
  loaded.set(name, { file, key, script, module });
  script.runInThisContext()(module.exports, requireOf(file), module, file, dirname(file));
  return module.exports;
}

/** The bytecode of exactly this code and this Node. V8 compares no more than the length, and what stems from other code would be run. */
function bytecodeOf(file, key) {
  if (!existsSync(`${file}.bytecode`)) return undefined;
  const bytes = readFileSync(`${file}.bytecode`);
  return bytes.subarray(0, KEY_BYTES).equals(key) ? bytes.subarray(KEY_BYTES) : undefined;
}

/** Built files know each other as neighbours. */
function requireOf(file) {
  const require = createRequire(file);
  return Object.assign((id) => (id.startsWith('./') ? loadBuilt(id.slice(2, -'.cjs'.length)) : require(id)), require);
}

/** Writes the bytecode of all that was compiled so far beside the built files, for the processes that will have the same flags. */
function keepBytecode() {
  for (const { file, key, script } of loaded.values()) {
    writeFileSync(`${file}.bytecode`, Buffer.concat([key, script.createCachedData()]));
  }
}

module.exports = { loadBuilt, keepBytecode };
