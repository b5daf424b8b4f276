// Loads what the build has put into dist/program. Plain Node would do it as well, and take twice as long: it compiles four megabytes of
// JavaScript each time. Why it is done here and not by Node's compile cache: docs/adr/0023-a-few-files-and-their-bytecode.md.
const { createHash } = require('node:crypto');
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { Script } = require('node:vm');

const FOLDER = join(__dirname, '../dist/program');
const DIGEST_BYTES = 32;
const loaded = new Map();

/** What the built file of that name exports; it is run once. */
function loadBuilt(name) {
  const known = loaded.get(name);
  if (known !== undefined) return known.exported.exports;
  const file = join(FOLDER, `${name}.cjs`);
  const code = readFileSync(file);
  const cachedData = bytecodeOf(file, code);
  // As a text of one byte a character it is kept outside of the heap, and once.
  const script = new Script(code.toString('latin1'), { filename: file, ...(cachedData && { cachedData }) });
  const exported = { exports: {}, filename: file, id: file };
  loaded.set(name, { file, script, exported });
  script.runInThisContext()(exported.exports, requireOf(file), exported, file, dirname(file));
  return exported.exports;
}

/**
 * The bytecode of exactly this code and this Node, whole. V8 compares no more than lengths: it would run what stems from other code, and
 * die of what is damaged.
 */
function bytecodeOf(file, code) {
  if (!existsSync(`${file}.bytecode`)) return undefined;
  const bytes = readFileSync(`${file}.bytecode`);
  const bytecode = bytes.subarray(DIGEST_BYTES);
  return bytes.subarray(0, DIGEST_BYTES).equals(digestOf(code, bytecode)) ? bytecode : undefined;
}

function digestOf(code, bytecode) {
  return createHash('sha256').update(`${process.version} ${process.arch}\n`).update(code).update(bytecode).digest();
}

/** Built files know each other as neighbours. */
function requireOf(file) {
  const require = createRequire(file);
  return Object.assign((id) => (id.startsWith('./') ? loadBuilt(id.slice(2, -'.cjs'.length)) : require(id)), require);
}

/** Writes the bytecode of all that was compiled so far beside the built files, for the processes that will have the same flags. */
function keepBytecode() {
  for (const { file, script } of loaded.values()) {
    const bytecode = script.createCachedData();
    writeFileSync(`${file}.bytecode`, Buffer.concat([digestOf(readFileSync(file), bytecode), bytecode]));
  }
}

module.exports = { loadBuilt, keepBytecode };
