import { type ResourceLimits, Worker } from 'node:worker_threads';

/**
 * Starts the thread whose file is `name` beside the module of address `beside` (its `import.meta.url`). It does not keep the process alive
 * until it is told to.
 */
export function startThread(beside: string, name: string, resourceLimits: ResourceLimits): Worker {
  // What is built has its threads beside it as what is not built does.
  const ending = beside.endsWith('.ts') ? 'ts' : 'cjs';
  const worker = new Worker(new URL(`./${name}.${ending}`, beside), { resourceLimits });
  worker.unref();
  return worker;
}
