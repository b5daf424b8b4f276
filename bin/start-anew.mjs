// What Node and the C library take at the start of a process alone. The figures are in docs/adr/0015-settings-of-the-process.md
// and 0024-garbage-is-looked-for-sooner.md.
export const FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=70', '--expose-gc'];
export const ENVIRONMENT = { UV_THREADPOOL_SIZE: '8', MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072' };

/**
 * Puts in the place of this process one with the settings of a server: same id, same streams, same arguments. Does nothing where
 * that cannot be done, where somebody has said otherwise, or when it was done before.
 */
export function startAnew(script) {
  const { execArgv, env, execPath } = process;
  // A channel to whoever started this process (scripts/with-node.mjs, with these very settings) would not outlive the exchange.
  if (process.execve === undefined || process.connected || areGiven(execArgv, env)) return;
  process.execve(execPath, [execPath, ...execArgv, ...FLAGS, script, ...process.argv.slice(2)], {
    ...ENVIRONMENT,
    ...env,
  });
}

/** Has somebody said otherwise, or are they there already? */
export function areGiven(execArgv, env) {
  return /semi-space|--inspect/.test([...execArgv, env.NODE_OPTIONS ?? ''].join(' '));
}
