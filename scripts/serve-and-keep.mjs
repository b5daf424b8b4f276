// Of record-bytecode.mjs: runs the built program, and keeps its bytecode when it ends well.
import { createRequire } from 'node:module';

const { loadBuilt, keepBytecode } = createRequire(import.meta.url)('../bin/load-built.cjs');
process.on('exit', (code) => {
  if (code === 0) keepBytecode();
});
await loadBuilt('cli').main(process.argv, 'build');
